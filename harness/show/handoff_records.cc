#include "harness/show/handoff_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>

#include "harness/show/raw_memory.h"

namespace baton::harness {
namespace {

constexpr std::size_t kBlocksMax = 10000;
constexpr std::uint64_t kBlockHeader = 16;
constexpr std::uint64_t kContentsEntryBytes = 24;
constexpr std::uint64_t kContentsEntries = (sim::kPageSize - kBlockHeader) / kContentsEntryBytes;
constexpr std::uint64_t kContentsHeader = 64;
constexpr std::uint64_t kIoasBytes = 16;
constexpr std::uint64_t kAreaBytes = 40;
constexpr std::uint64_t kHwptBytes = 16;
constexpr std::uint64_t kHwptRecordBytes = 24;

std::uint64_t block_bytes(std::uint64_t bytes) {
  return std::max(sim::kPageSize, std::bit_ceil(bytes));
}

// Where the contents of an iommufd lie, by the address of its record.
struct ContentsPlace {
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
};
using ContentsPlaces = std::map<std::uint64_t, ContentsPlace>;

// A page of {u32 version, u32 entries, u64 first KHO block} and its chain.
void add_chain(RawMemory memory, const LuoFlbView& flb, std::vector<ExtraBlock>& extra) {
  std::uint64_t block = memory.u64(flb.data + 8);
  for (std::size_t n = 0; n < kBlocksMax && memory.has(block, sim::kPageSize); ++n) {
    extra.push_back({PhysAddr(block), sim::kPageSize, flb.compatible + " block"});
    block = memory.u64(block);
  }
}

// u32 version, u32 units, then {u64 registers, u64 IRTA, u64 entries of 16 bytes} each; version 2:
// at 200 the page of posted-interrupt descriptors.
void add_interrupt_tables(RawMemory memory, const LuoFlbView& flb, std::vector<ExtraBlock>& extra) {
  constexpr std::uint64_t kUnitsMax = (sim::kPageSize - 8) / 24;
  const std::uint64_t count = std::min<std::uint64_t>(memory.u32(flb.data + 4), kUnitsMax);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t at = flb.data + 8 + i * 24;
    const std::uint64_t table = memory.u64(at + 8) & ~(sim::kPageSize - 1);
    const std::uint64_t entries = memory.u64(at + 16);
    if (entries == 0 || entries > memory.pages() || !memory.has(table, entries * 16)) continue;
    extra.push_back({PhysAddr(table), block_bytes(entries * 16), flb.compatible + " table"});
  }
  const std::uint64_t descriptors = memory.u64(flb.data + 200);
  if (memory.u32(flb.data) != 2 || !memory.has(descriptors, sim::kPageSize)) return;
  extra.push_back({PhysAddr(descriptors), sim::kPageSize, flb.compatible + " descriptors"});
}

// The blocks of the FLB hold {u64 record, u64 contents, u64 bytes} each.
ContentsPlaces add_contents(RawMemory memory, const LuoFlbView& flb,
                            std::vector<ExtraBlock>& extra) {
  ContentsPlaces places;
  const std::size_t first = extra.size();
  add_chain(memory, flb, extra);
  const std::size_t end = extra.size();
  for (std::size_t n = first; n < end; ++n) {
    const std::uint64_t block = extra[n].address.value();
    const std::uint64_t count = std::min(memory.u64(block + 8), kContentsEntries);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t at = block + kBlockHeader + i * kContentsEntryBytes;
      const std::uint64_t record = memory.u64(at);
      const ContentsPlace place{memory.u64(at + 8), memory.u64(at + 16)};
      if (record == 0 || place.bytes == 0 || !memory.has(place.address, place.bytes)) continue;
      places[record] = place;
      extra.push_back(
          {PhysAddr(place.address), block_bytes(place.bytes), flb.compatible + " contents"});
    }
  }
  return places;
}

// The contents of one iommufd: a header, then IOAS, areas, HWPTs.
class ContentsReader {
 public:
  ContentsReader(RawMemory memory, ContentsPlace place)
      : memory_(memory),
        ioas_(place.address + kContentsHeader),
        ioas_count_(memory.u32(place.address + 8)),
        areas_(ioas_ + ioas_count_ * kIoasBytes),
        area_count_(memory.u32(place.address + 12)),
        hwpts_(areas_ + area_count_ * kAreaBytes),
        hwpt_count_(memory.u32(place.address + 16)) {
    const std::uint64_t needed = hwpts_ + hwpt_count_ * kHwptBytes - place.address;
    whole_ = place.bytes >= kContentsHeader && needed <= place.bytes;
  }

  bool whole() const { return whole_; }
  std::uint64_t hwpts() const { return hwpt_count_; }

  // The areas of the IOAS that HWPT `n` translates.
  void fill(std::uint64_t n, IovaMap& map) const {
    const std::uint32_t id = memory_.u32(hwpts_ + n * kHwptBytes + 4);
    std::uint64_t first = 0;
    for (std::uint64_t i = 0; i < ioas_count_; ++i) {
      const std::uint64_t at = ioas_ + i * kIoasBytes;
      const std::uint64_t count = memory_.u32(at + 4);
      if (memory_.u32(at) == id) {
        for (std::uint64_t a = first; a < std::min(first + count, area_count_); ++a) area(a, map);
        return;
      }
      first += count;
    }
  }

 private:
  void area(std::uint64_t n, IovaMap& map) const {
    const std::uint64_t at = areas_ + n * kAreaBytes;
    const std::uint64_t iova = memory_.u64(at);
    const std::uint64_t length = memory_.u64(at + 8);
    if (memory_.u32(at + 36) != 0) {
      map.device_ranges.push_back({iova, memory_.u64(at + 24), length});
    } else {
      map.ranges.push_back({iova, memory_.u64(at + 16), memory_.u64(at + 24), length});
    }
  }

  RawMemory memory_;
  std::uint64_t ioas_;
  std::uint64_t ioas_count_;
  std::uint64_t areas_;
  std::uint64_t area_count_;
  std::uint64_t hwpts_;
  std::uint64_t hwpt_count_;
  bool whole_ = false;
};

// iommufd_ser and its contents have the same HWPTs in the same order.
void add_maps(RawMemory memory, const LuoSessionView& session, const LuoFileView& file,
              const ContentsPlaces& places, std::vector<IovaMap>& maps) {
  const auto place = places.find(file.data);
  if (place == places.end() || !memory.has(file.data, 8)) return;
  if (place->second.bytes < kContentsHeader) return;
  const ContentsReader contents(memory, place->second);
  const std::uint64_t marked = memory.u64(file.data);
  if (!contents.whole()) return;
  for (std::uint64_t n = 0; n < std::min(marked, contents.hwpts()); ++n) {
    const std::uint64_t record = file.data + 8 + n * kHwptRecordBytes;
    if (!memory.has(record, kHwptRecordBytes)) return;
    IovaMap map;
    map.session = session.name;
    map.iommufd = file.token;
    map.hwpt = memory.u64(record + 8);
    contents.fill(n, map);
    maps.push_back(std::move(map));
  }
}

}  // namespace

DesignRecords read_design_records(sim::PhysicalMemory& memory, const LuoView& luo) {
  const RawMemory raw(memory);
  DesignRecords records;
  ContentsPlaces places;
  for (const LuoFlbView& flb : luo.flbs) {
    if (!flb.compatible.starts_with("baton-") || !raw.has(flb.data, sim::kPageSize)) continue;
    records.extra.push_back({PhysAddr(flb.data), sim::kPageSize, flb.compatible + " page"});
    if (flb.compatible == "baton-iommufd-v1") {
      places = add_contents(raw, flb, records.extra);
    } else if (flb.compatible == "baton-pci-v1" || flb.compatible == "baton-pci-path-v1" ||
               flb.compatible == "baton-pci-driver-v1" || flb.compatible == "baton-vfio-v1") {
      add_chain(raw, flb, records.extra);
    } else if (flb.compatible == "baton-irq-v1") {
      add_interrupt_tables(raw, flb, records.extra);
    }
  }
  for (const LuoSessionView& session : luo.sessions) {
    for (const LuoFileView& file : session.files) {
      if (file.compatible == "iommufd-v1") add_maps(raw, session, file, places, records.maps);
    }
  }
  return records;
}

}  // namespace baton::harness
