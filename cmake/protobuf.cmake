# Makes library baton_proto_NAME of proto/NAME.proto: the generated encoder and decoder, included as
# <NAME.pb.h>, without the warnings that our own code must be free of.
function(baton_add_schema name)
  set(folder ${CMAKE_BINARY_DIR}/proto)
  set(schema ${CMAKE_SOURCE_DIR}/proto/${name}.proto)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(
    OUTPUT ${folder}/${name}.pb.cc ${folder}/${name}.pb.h
    COMMAND protobuf::protoc --proto_path=${CMAKE_SOURCE_DIR}/proto --cpp_out=${folder} ${schema}
    DEPENDS ${schema} protobuf::protoc
    VERBATIM)
  add_library(baton_proto_${name} STATIC ${folder}/${name}.pb.cc ${folder}/${name}.pb.h)
  target_include_directories(baton_proto_${name} SYSTEM PUBLIC ${folder})
  target_link_libraries(baton_proto_${name} PUBLIC protobuf::libprotobuf-lite)
endfunction()
