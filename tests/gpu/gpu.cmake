# What runs on a machine with a GPU (tests/gpu/bundle packs it, tests/gpu/run runs it). Without one
# the tests are built and counted as skipped.
if(ECHELON_HAVE_CUDA)
  file(GLOB gpu_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*_test.cpp)
  add_executable(test_gpu ${gpu_sources} ${CMAKE_CURRENT_LIST_DIR}/main.cpp)
  target_link_libraries(test_gpu PRIVATE echelon_test_support echelon_ops)
  add_dependencies(test_gpu echelon_cuda)
  add_test(NAME "gpu: ops on a device against the CPU" COMMAND test_gpu)
  set_tests_properties("gpu: ops on a device against the CPU" PROPERTIES
    LABELS gpu TIMEOUT 300 SKIP_REGULAR_EXPRESSION "SKIPPED:")

  add_executable(gpu_probes ${CMAKE_CURRENT_LIST_DIR}/probes.cpp
                            ${CMAKE_SOURCE_DIR}/src/backend/cuda/check.cpp)
  target_link_libraries(gpu_probes PRIVATE echelon_test_support echelon_ops CUDA::cudart CUDA::cublasLt)
  add_dependencies(gpu_probes echelon_cuda)
endif()
