# Everything comes from Debian 12; launch/install-dependencies lists the packages.
find_package(Threads REQUIRED)
find_package(MPI REQUIRED COMPONENTS CXX)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
if(ECHELON_OPENMP)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
endif()

# libxsmm 1.17: static libraries, no CMake files. Its BLAS fall-back is never called.
find_library(XSMM_LIBRARY xsmm REQUIRED)
find_library(XSMM_NOBLAS_LIBRARY xsmmnoblas REQUIRED)
find_path(XSMM_INCLUDE_DIR libxsmm.h REQUIRED)
add_library(echelon_xsmm INTERFACE)
target_include_directories(echelon_xsmm SYSTEM INTERFACE ${XSMM_INCLUDE_DIR})
target_link_libraries(echelon_xsmm INTERFACE ${XSMM_LIBRARY} ${XSMM_NOBLAS_LIBRARY} ${CMAKE_DL_LIBS}
                                             Threads::Threads)

# CUDA is optional: AUTO takes it when a compiler is there.
if(NOT ECHELON_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_ARCHITECTURES "80;90" CACHE STRING "GPU architectures")
    enable_language(CUDA)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25.1 lacks C++20 for NVIDIA's compiler
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    endif()
    set(CMAKE_CUDA_STANDARD 20)
    find_package(CUDAToolkit REQUIRED)
    set(ECHELON_HAVE_CUDA ON)
  elseif(ECHELON_CUDA STREQUAL "ON")
    message(FATAL_ERROR "ECHELON_CUDA=ON, but no CUDA compiler was found; put nvcc on the PATH or set CUDACXX")
  endif()
endif()
find_path(NVTX_INCLUDE_DIR nvtx3/nvToolsExt.h HINTS ${CUDAToolkit_INCLUDE_DIRS} /usr/local/cuda/include)
