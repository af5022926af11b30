// The CUDA backend's kernels live in this folder; so far only the marker that the loader checks.
extern "C" int echelon_cuda_abi() { return 1; }
