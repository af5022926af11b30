# Tests of the CUDA backend that need no GPU: it loads, says politely that there is no device, and
# cuDNN accepts its attention graphs for an H100 described in text.
if(ECHELON_HAVE_CUDA)
  echelon_tests(cuda_backend DIRS cuda/backend LINKS echelon_ops)
  add_dependencies(test_cuda_backend echelon_cuda)
  target_compile_definitions(test_cuda_backend PRIVATE
    ECHELON_CUDA_BACKEND="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/libechelon_cuda.so")

  if(CUDNN_INCLUDE_DIR)
    # Finalizing a plan wants libcuda.so.1; the toolkit's stub is enough to get as far as loading the
    # compiled kernel, which it refuses.
    set(stubs ${CMAKE_CURRENT_BINARY_DIR}/libcuda-stub)
    file(MAKE_DIRECTORY ${stubs})
    if(EXISTS ${CUDAToolkit_LIBRARY_DIR}/stubs/libcuda.so)
      file(CREATE_LINK ${CUDAToolkit_LIBRARY_DIR}/stubs/libcuda.so ${stubs}/libcuda.so.1 SYMBOLIC)
    endif()
    set(cudnn ${CMAKE_SOURCE_DIR}/src/backend/cuda/cudnn)
    add_executable(test_cuda_plans ${CMAKE_CURRENT_LIST_DIR}/plans/plans_test.cpp ${cudnn}/api.cpp
                                   ${cudnn}/graph.cpp ${cudnn}/flash_graph.cpp)
    target_link_libraries(test_cuda_plans PRIVATE echelon_test_support echelon_ops CUDA::cudart)
    add_test(NAME "cuda_plans: attention graphs for sm_90" COMMAND test_cuda_plans)
    set_tests_properties("cuda_plans: attention graphs for sm_90" PROPERTIES
      LABELS cuda_plans TIMEOUT 180 SKIP_REGULAR_EXPRESSION "SKIPPED:"
      ENVIRONMENT "LD_LIBRARY_PATH=${stubs}:${CUDAToolkit_LIBRARY_DIR}:$ENV{LD_LIBRARY_PATH}")
  endif()
endif()
