# One set of compiler options for everything written here.
add_library(baton_warnings INTERFACE)
target_compile_options(baton_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports variables of coroutine frames it has itself introduced.
  target_compile_options(baton_warnings INTERFACE -Wno-maybe-uninitialized)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # std::stable_sort of libstdc++ 12 uses what the same library has deprecated.
  target_compile_options(baton_warnings INTERFACE -Wno-deprecated-declarations)
endif()
if(BATON_SANITIZE)
  # Lines for what a sanitizer finds; all of -g makes the build a third longer.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
                      -fno-omit-frame-pointer -O1 -g1)
  add_link_options(-fsanitize=address,undefined)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # At -O1 GCC 12 takes the frame allocator of Boost's awaitable apart and finds that its two
    # halves have different names.
    add_compile_options(-Wno-mismatched-new-delete)
  endif()
endif()
