// What lies in preserved memory beside the structures that upstream kernels define: the records of
// the baton-*-v1 FLBs (docs/abi.md), as blocks, and what they say of IOAS contents. Decoded from
// RAM; shares no code with the kernels that write them, and every address and count is checked.
//
// FLBs of that name with a layout unknown here: their page is told, no more.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/show/handover_reader.h"

namespace baton::harness {

// One HWPT of an iommufd and what is mapped in its IOAS. Tokens are those of LUO and, for the
// HWPT, of its owner.
struct IovaMap {
  struct Range {
    std::uint64_t iova = 0;
    std::uint64_t memfd = 0;   // token
    std::uint64_t offset = 0;  // in the memfd
    std::uint64_t length = 0;
  };
  struct DeviceRange {  // a BAR, mapped for a peer
    std::uint64_t iova = 0;
    std::uint64_t address = 0;
    std::uint64_t length = 0;
  };
  std::string session;
  std::uint64_t iommufd = 0;
  std::uint64_t hwpt = 0;
  std::vector<Range> ranges;
  std::vector<DeviceRange> device_ranges;
};

struct ExtraBlock {
  PhysAddr address;
  std::uint64_t length = 0;  // of the preserved block: a power of two pages
  std::string what;
};

struct DesignRecords {
  std::vector<IovaMap> maps;
  std::vector<ExtraBlock> extra;
};
DesignRecords read_design_records(sim::PhysicalMemory& memory, const LuoView& luo);

}  // namespace baton::harness
