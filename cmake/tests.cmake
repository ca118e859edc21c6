# SPDX-License-Identifier: Apache-2.0
# How tests are declared: a name in ctest is "folder/name".

if(BUILD_TESTING)
  pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
endif()
# What the scanner and the patches are held against, here and in fuzz/.
pkg_check_modules(jansson IMPORTED_TARGET jansson>=2.14)

# The tests with the label race, which `make test` builds and runs once more under ThreadSanitizer.
if(BUILD_TESTING)
  add_custom_target(race-tests)
endif()

# varve_unit_test(NAME [RACE] [LIBRARIES lib…] [SOURCES file…] [ARGS argument…]): NAME_test.c of this folder, a cmocka
# program. RACE: threads meet in it, so that ThreadSanitizer has something to say.
function(varve_unit_test name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(arg "RACE" "" "LIBRARIES;SOURCES;ARGS" ${ARGN})
  get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  set(target ${folder}_${name}_test)
  add_executable(${target} ${name}_test.c ${arg_SOURCES})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE ${arg_LIBRARIES} varve_static PkgConfig::cmocka)
  add_test(NAME ${folder}/${name} COMMAND ${target} ${arg_ARGS})
  set_tests_properties(${folder}/${name} PROPERTIES TIMEOUT 300)
  if(arg_RACE)
    set_tests_properties(${folder}/${name} PROPERTIES LABELS race)
    add_dependencies(race-tests ${target})
  endif()
endfunction()
