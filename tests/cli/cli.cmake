# test_cli: the echelon program, run as a user runs it. What starts ranks with mpirun is labelled mpi too.
file(GLOB cli_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/cli/*.cpp)
add_executable(test_cli ${cli_sources})
target_link_libraries(test_cli PRIVATE echelon_test_support)
target_compile_definitions(test_cli PRIVATE ECHELON_PROGRAM="$<TARGET_FILE:echelon>")
add_dependencies(test_cli echelon)
catch_discover_tests(test_cli TEST_PREFIX "cli: " TEST_SPEC "~[slow]~[mpi]" PROPERTIES LABELS cli TIMEOUT 180)
catch_discover_tests(test_cli TEST_PREFIX "cli: " TEST_SPEC "[mpi]~[slow]" TEST_SUFFIX " (mpirun)"
                     TEST_LIST test_cli_mpi_tests PROPERTIES LABELS "cli;mpi" TIMEOUT 180 PROCESSORS 2)
