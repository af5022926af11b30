#pragma once

namespace echelon::ops {

/// Compute threads of the calling rank from now on (OpenMP; 1 without it). Per calling thread, so
/// that ranks which are threads of one process set their own.
void use_threads(int count);
int threads_in_use();

}  // namespace echelon::ops
