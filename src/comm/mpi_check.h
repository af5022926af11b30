#pragma once
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

namespace echelon::comm {

/// Throws Error(communication) with MPI's text, the call, file and line.
[[noreturn]] void mpi_failed(int status, const char* call, const char* file, int line);

#define ECH_MPI(call)                                                  \
  do {                                                                 \
    if (const int status_ = (call); status_ != MPI_SUCCESS)            \
      ::echelon::comm::mpi_failed(status_, #call, __FILE__, __LINE__); \
  } while (false)

}  // namespace echelon::comm
