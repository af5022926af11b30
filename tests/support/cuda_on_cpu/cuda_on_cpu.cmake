# The CUDA kernels as C++, with fibers for threads (include/cuda_runtime.h), tested without a GPU.
# The thread sanitizer does not follow ucontext's stacks, so it does not get this test.
if(NOT ECHELON_SANITIZE MATCHES "thread")
  file(GLOB kernel_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/cuda/*.cu)
  set_source_files_properties(${kernel_sources} PROPERTIES LANGUAGE CXX)
  add_library(echelon_cuda_on_cpu STATIC ${kernel_sources} ${CMAKE_CURRENT_LIST_DIR}/fibers.cpp)
  target_include_directories(echelon_cuda_on_cpu BEFORE PUBLIC ${CMAKE_CURRENT_LIST_DIR}/include)
  target_link_libraries(echelon_cuda_on_cpu PRIVATE echelon_flags)
  echelon_tests(cuda_on_cpu DIRS cuda/kernels LINKS echelon_ops echelon_cuda_on_cpu)
endif()
