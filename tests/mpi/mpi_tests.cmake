# test_mpi: multi-rank bodies (tests/support/worlds.h) under mpirun. A source listed here runs in its
# module's own test program on thread ranks as well.
set(mpi_test_sources
  ${CMAKE_SOURCE_DIR}/tests/comm/conformance_test.cpp
  ${CMAKE_SOURCE_DIR}/tests/comm/group_test.cpp
  ${CMAKE_SOURCE_DIR}/tests/comm/mismatch_test.cpp
  ${CMAKE_SOURCE_DIR}/tests/unit/parallel/mesh_test.cpp
  ${CMAKE_SOURCE_DIR}/tests/numerics/kinds_test.cpp)

add_executable(test_mpi ${CMAKE_SOURCE_DIR}/tests/mpi/main.cpp ${CMAKE_SOURCE_DIR}/tests/mpi/mpi_worlds.cpp
               ${CMAKE_SOURCE_DIR}/tests/numerics/runs.cpp ${mpi_test_sources})
target_link_libraries(test_mpi PRIVATE echelon_test_support echelon_trainer)

set(mpi_run mpirun --oversubscribe --bind-to none --mca mpi_yield_when_idle 1
            --mca odls_base_sigkill_timeout 0)
foreach(ranks 1 2 3 4)
  add_test(NAME "mpi: bodies on ${ranks} ranks" COMMAND ${mpi_run} -np ${ranks} $<TARGET_FILE:test_mpi> "~[threads]")
  set_tests_properties("mpi: bodies on ${ranks} ranks" PROPERTIES
    LABELS mpi TIMEOUT 120 PROCESSORS ${ranks}
    ENVIRONMENT "OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
endforeach()

add_executable(bench_comm EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/tests/bench/comm_bench.cpp)
target_link_libraries(bench_comm PRIVATE echelon_comm MPI::MPI_CXX)
