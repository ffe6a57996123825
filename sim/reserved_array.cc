#include "sim/reserved_array.h"

#include <sys/mman.h>

#include "sim/check.h"

namespace baton::sim {

void* reserve_address_space(std::size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  BATON_CHECK(memory != MAP_FAILED, "the host does not give address space for an array");
  return memory;
}

void release_address_space(void* start, std::size_t bytes) { ::munmap(start, bytes); }

}  // namespace baton::sim
