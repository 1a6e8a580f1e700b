# Warnings, hardening and sanitizers as targets that others link, and two functions that keep the folders' lists short.

add_library(kw_flags INTERFACE)
add_library(kurzweg::flags ALIAS kw_flags)
target_include_directories(kw_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(kw_flags INTERFACE _GNU_SOURCE KW_VERSION="${PROJECT_VERSION}")
target_compile_options(kw_flags INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wpointer-arith
  -Wwrite-strings -Wvla -Wundef -Wformat=2 -Wconversion -Wno-sign-conversion $<$<C_COMPILER_ID:GNU>:-Wcast-qual> $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>
  -fno-strict-aliasing -fno-common -fvisibility=hidden)

if(KW_SANITIZE)
  target_compile_options(kw_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(kw_flags INTERFACE -fsanitize=address,undefined)
elseif(KW_FUZZ) # another compiler, whose warnings nobody has looked through
  target_compile_options(kw_flags INTERFACE -Wno-error -fsanitize=fuzzer-no-link,address,undefined
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(kw_flags INTERFACE -fsanitize=address,undefined)
elseif(KW_TSAN)
  target_compile_options(kw_flags INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
  target_link_options(kw_flags INTERFACE -fsanitize=thread)
else()
  target_compile_options(kw_flags INTERFACE -fstack-protector-strong -fstack-clash-protection
    $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64")
    target_compile_options(kw_flags INTERFACE -fcf-protection=full)
  endif()
  target_link_options(kw_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
if(KW_PACKAGES) # no folder of the machine that builds stands in what is built, generated code included
  add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -ffile-prefix-map=${CMAKE_BINARY_DIR}=build)
endif()
if(KW_COVERAGE AND KW_FUZZ)
  target_compile_options(kw_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(kw_flags INTERFACE -fprofile-instr-generate)
elseif(KW_COVERAGE)
  target_compile_options(kw_flags INTERFACE --coverage)
  target_link_options(kw_flags INTERFACE --coverage)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# kw_library(NAME SOURCES a.c … LINK x …): static library kw_NAME, known to others as kurzweg::NAME.
function(kw_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(kw_${name} STATIC ${ARG_SOURCES})
  add_library(kurzweg::${name} ALIAS kw_${name})
  target_link_libraries(kw_${name} PUBLIC ${ARG_LINK} PRIVATE kurzweg::flags ${ARG_PRIVATE_LINK})
endfunction()

# kw_program(NAME SOURCES a.c … LINK x …): a program in build/bin.
function(kw_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE kurzweg::flags ${ARG_LINK})
  if(NOT KW_SANITIZE AND NOT KW_TSAN AND NOT KW_FUZZ)
    target_link_options(${name} PRIVATE -pie)
  endif()
endfunction()

# kw_unit_test(NAME SOURCES a.c … LINK x …): a cmocka program, run by ctest with the source folder as $KW_SOURCE_DIR.
function(kw_unit_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(test_${name} ${ARG_SOURCES})
  target_link_libraries(test_${name} PRIVATE kurzweg::flags ${ARG_LINK} PkgConfig::CMOCKA)
  set_target_properties(test_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME unit.${name} COMMAND test_${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(unit.${name} PROPERTIES TIMEOUT 600 LABELS unit FAIL_REGULAR_EXPRESSION "GROUP TEARDOWN" # which cmocka tells, and ends with 0
    ENVIRONMENT "KW_SOURCE_DIR=${CMAKE_SOURCE_DIR};KW_BIN_DIR=${CMAKE_BINARY_DIR}/bin")
endfunction()
