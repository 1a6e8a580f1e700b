# Every foreign library, found once. What may link what stands in docs/architecture.md.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(ZMQ REQUIRED IMPORTED_TARGET libzmq>=4.3.4)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium>=1.0.18)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c>=1.4.1)
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb>=0.9.24)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(XML REQUIRED IMPORTED_TARGET libxml-2.0)
if(KW_TESTS)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()
find_program(PROTOC_C protoc-c REQUIRED)

# kw_protobuf(TARGET FILE.proto …): generated code as a library of its own, without our warnings; its headers are seen
# only by who links it PRIVATE.
function(kw_protobuf target)
  set(out ${CMAKE_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${out}/kurzweg)
  set(made)
  foreach(file ${ARGN})
    get_filename_component(stem ${file} NAME_WE)
    add_custom_command(OUTPUT ${out}/kurzweg/${stem}.pb-c.c ${out}/kurzweg/${stem}.pb-c.h
      COMMAND ${PROTOC_C} --c_out=${out} --proto_path=${CMAKE_SOURCE_DIR}/proto ${CMAKE_SOURCE_DIR}/proto/kurzweg/${stem}.proto
      DEPENDS ${CMAKE_SOURCE_DIR}/proto/kurzweg/${stem}.proto VERBATIM)
    list(APPEND made ${out}/kurzweg/${stem}.pb-c.c)
  endforeach()
  add_library(${target} STATIC ${made})
  target_include_directories(${target} SYSTEM PUBLIC ${out})
  target_link_libraries(${target} PUBLIC PkgConfig::PROTOBUF_C)
endfunction()
