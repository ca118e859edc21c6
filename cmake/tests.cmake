# SPDX-License-Identifier: Apache-2.0
# How tests are declared: a name in ctest is "folder/name".

if(BUILD_TESTING)
  pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
endif()
# What the scanner and the patches are held against, here and in fuzz/.
pkg_check_modules(jansson IMPORTED_TARGET jansson>=2.14)

# Where tests/support/postgres keeps the server that tests share, and where the modules stand.
set(postgres_test_environment VARVE_TEST_POSTGRES=${CMAKE_BINARY_DIR}/postgres
    VARVE_MODULES=${CMAKE_BINARY_DIR}/lib/varve)

# varve_needs_postgres(TEST…): gives declared tests the server and the module; without the module, what they try on
# PostgreSQL is left out of the build (VARVE_WITH_POSTGRES).
function(varve_needs_postgres)
  if(VARVE_POSTGRES)
    set_tests_properties(${ARGN} PROPERTIES FIXTURES_REQUIRED postgres ENVIRONMENT "${postgres_test_environment}")
  endif()
endfunction()

# The tests with the label race, which `make test` builds and runs once more under ThreadSanitizer.
if(BUILD_TESTING)
  add_custom_target(race-tests)
endif()

# varve_again_on_postgres(TEST COMMAND word…): declares TEST-postgres, the same command for a store on PostgreSQL, which
# the test finds in VARVE_TEST_STORE.
function(varve_again_on_postgres test)
  cmake_parse_arguments(arg "" "" "COMMAND" ${ARGN})
  if(VARVE_POSTGRES)
    add_test(NAME ${test}-postgres COMMAND ${arg_COMMAND})
    set_tests_properties(${test}-postgres PROPERTIES TIMEOUT 300 FIXTURES_REQUIRED postgres
                         ENVIRONMENT "${postgres_test_environment};VARVE_TEST_STORE=postgresql")
  endif()
endfunction()

# varve_unit_test(NAME [POSTGRES] [EACH_STORE] [RACE] [LIBRARIES lib…] [SOURCES file…] [ARGS argument…]): NAME_test.c of
# this folder, a cmocka program. POSTGRES: it uses a PostgreSQL server (tests/support/postgres.h). EACH_STORE: the same,
# and it runs once for each kind of store. RACE: threads meet in it, so that ThreadSanitizer has something to say.
function(varve_unit_test name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(arg "POSTGRES;EACH_STORE;RACE" "" "LIBRARIES;SOURCES;ARGS" ${ARGN})
  get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  set(target ${folder}_${name}_test)
  add_executable(${target} ${name}_test.c ${arg_SOURCES})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE ${arg_LIBRARIES} varve_static PkgConfig::cmocka)
  add_test(NAME ${folder}/${name} COMMAND ${target} ${arg_ARGS})
  set_tests_properties(${folder}/${name} PROPERTIES TIMEOUT 300)
  if(arg_EACH_STORE)
    varve_again_on_postgres(${folder}/${name} COMMAND ${target} ${arg_ARGS})
  endif()
  if(arg_POSTGRES OR arg_EACH_STORE)
    varve_needs_postgres(${folder}/${name})
    if(VARVE_POSTGRES)
      target_compile_definitions(${target} PRIVATE VARVE_WITH_POSTGRES)
      target_link_libraries(${target} PRIVATE test_postgres)
      add_dependencies(${target} varve_postgres)
    endif()
  endif()
  if(arg_RACE)
    set_tests_properties(${folder}/${name} PROPERTIES LABELS race)
    add_dependencies(race-tests ${target})
  endif()
endfunction()
