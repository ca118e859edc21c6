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

# varve_unit_test(NAME [POSTGRES] [RACE] [LIBRARIES lib…] [SOURCES file…] [ARGS argument…]): NAME_test.c of this
# folder, a cmocka program. POSTGRES: it runs on a PostgreSQL server too (tests/support/postgres.h). RACE: threads meet
# in it, so that ThreadSanitizer has something to say.
function(varve_unit_test name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(arg "POSTGRES;RACE" "" "LIBRARIES;SOURCES;ARGS" ${ARGN})
  get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  set(target ${folder}_${name}_test)
  add_executable(${target} ${name}_test.c ${arg_SOURCES})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE ${arg_LIBRARIES} varve_static PkgConfig::cmocka)
  add_test(NAME ${folder}/${name} COMMAND ${target} ${arg_ARGS})
  set_tests_properties(${folder}/${name} PROPERTIES TIMEOUT 300)
  if(arg_POSTGRES)
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
