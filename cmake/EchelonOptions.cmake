include(CMakeDependentOption)
include(GNUInstallDirs)

option(ECHELON_TESTS "Build the tests" ON)
option(ECHELON_WERROR "Warnings are errors" ON)
option(ECHELON_NATIVE "Compile for this machine's processor" ON)
option(ECHELON_OPENMP "Use OpenMP threads inside a rank" ON)
set(ECHELON_CUDA "AUTO" CACHE STRING "Build the CUDA backend: AUTO, ON or OFF")
set(ECHELON_SANITIZE "" CACHE STRING "Sanitizers, for example address,undefined or thread")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# What every target of ours is compiled with.
add_library(echelon_flags INTERFACE)
target_include_directories(echelon_flags INTERFACE
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>)
set(_cxx $<COMPILE_LANGUAGE:CXX>)
target_compile_options(echelon_flags INTERFACE
  $<${_cxx}:-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual
            -Wno-unknown-pragmas -fno-math-errno -fno-trapping-math>)
if(ECHELON_WERROR)
  target_compile_options(echelon_flags INTERFACE $<${_cxx}:-Werror>)
endif()
if(ECHELON_NATIVE)
  # The processor's feature list is part of the command line, so that a compiler cache that travels to
  # another machine does not hand out code for this one.
  file(STRINGS /proc/cpuinfo _cpu_flags REGEX "^flags" LIMIT_COUNT 1)
  string(MD5 _cpu_digest "${_cpu_flags}")
  target_compile_options(echelon_flags INTERFACE
    $<${_cxx}:-march=native -mprefer-vector-width=512 -DECHELON_PROCESSOR="${_cpu_digest}">)
endif()
if(ECHELON_SANITIZE)
  # GCC 12 sees uninitialized members inside the standard library's <regex> in instrumented code.
  target_compile_options(echelon_flags INTERFACE
    $<${_cxx}:-fsanitize=${ECHELON_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all
              -Wno-maybe-uninitialized>)
  target_link_options(echelon_flags INTERFACE -fsanitize=${ECHELON_SANITIZE})
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(_ccache ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${_ccache})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${_ccache})
endif()
