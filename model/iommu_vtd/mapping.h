// What a request asks for, and what the paging tables answer.
#pragma once

#include <cstdint>

#include "sim/address.h"
#include "sim/memory.h"

namespace baton::iommu_vtd {

// Neither read nor write: any permission is enough.
struct Rights {
  bool read = false;
  bool write = false;
  bool execute = false;
  bool privileged = false;
};

// A mapping found by a walk: the page that holds the address.
struct Mapping {
  PhysAddr frame;
  unsigned level = 0;  // 0: 4 KiB, 1: 2 MiB, 2: 1 GiB
  bool readable = false;
  bool writable = false;
  bool dirty = true;  // a write needs no further update of the tables
  bool executable = true;

  std::uint64_t bytes() const { return sim::kPageSize << (9 * level); }
  PhysAddr translate(std::uint64_t iova) const { return frame + (iova & (bytes() - 1)); }
  bool allows(Rights wanted) const {
    return (!wanted.read || readable) && (!wanted.write || (writable && dirty)) &&
           (!wanted.execute || executable);
  }
};

}  // namespace baton::iommu_vtd
