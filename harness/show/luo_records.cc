#include "harness/show/luo_records.h"

#include <fmt/format.h>

#include <array>

namespace baton::harness {
namespace {

constexpr std::size_t kTold = 64;  // of anything that comes in lists
constexpr std::uint64_t kRunsPerChunk = 511;
constexpr std::uint64_t kFolioPfnMask = (std::uint64_t{1} << 52) - 1;

Details unreadable(std::uint64_t data) {
  return {{"problem", fmt::format("{:#x} is not in RAM", data)}};
}

// Folio records lie in the pages of a vmalloc area: chunks of 511 page addresses, linked. Physical
// neighbours at neighbouring places of the file are told as one run.
class FolioRuns {
 public:
  FolioRuns(RawMemory memory, std::uint64_t folios) : memory_(memory), left_(folios) {}

  Details read(std::uint64_t chunk, std::uint64_t pages) {
    std::uint64_t done = 0;
    while (chunk != 0 && done < pages && left_ > 0) {
      if (!memory_.has(chunk, sim::kPageSize)) return fail(chunk);
      for (std::uint64_t i = 0; i < kRunsPerChunk && done < pages && left_ > 0; ++i, ++done) {
        const std::uint64_t page = memory_.u64(chunk + 8 + i * 8);
        if (!memory_.has(page, sim::kPageSize)) return fail(page);
        read_page(page);
      }
      chunk = memory_.u64(chunk);
    }
    end_run();
    if (left_ > 0) details_.emplace_back("problem", fmt::format("{} folios lack a record", left_));
    return std::move(details_);
  }

 private:
  void read_page(std::uint64_t page) {
    for (std::uint64_t at = 0; at < sim::kPageSize && left_ > 0; at += 16, --left_) {
      const std::uint64_t pfn = memory_.u64(page + at) & kFolioPfnMask;
      const std::uint64_t index = memory_.u64(page + at + 8);
      if (pfn == 0) continue;
      if (count_ > 0 && pfn == pfn_ + count_ && index == index_ + count_) {
        ++count_;
        continue;
      }
      end_run();
      pfn_ = pfn;
      index_ = index;
      count_ = 1;
    }
  }

  void end_run() {
    if (count_ == 0) return;
    if (++runs_ <= kTold) {
      details_.emplace_back(
          "folios", fmt::format("pages {}-{} at {:#x}", index_, index_ + count_ - 1, pfn_ << 12));
    } else if (runs_ == kTold + 1) {
      details_.emplace_back("folios", "further runs are left out");
    }
    count_ = 0;
  }

  Details fail(std::uint64_t address) {
    end_run();
    details_.emplace_back("problem", fmt::format("folio array: {:#x} is not in RAM", address));
    return std::move(details_);
  }

  RawMemory memory_;
  std::uint64_t left_;
  std::uint64_t pfn_ = 0;
  std::uint64_t index_ = 0;
  std::uint64_t count_ = 0;
  std::size_t runs_ = 0;
  Details details_;
};

Details memfd(RawMemory memory, std::uint64_t data) {
  if (!memory.has(data, 48)) return unreadable(data);
  const std::uint64_t folios = memory.u64(data + 24);
  Details details{{"position", std::to_string(memory.u64(data))},
                  {"size", std::to_string(memory.u64(data + 8))},
                  {"seals", fmt::format("{:#x}", memory.u32(data + 16))},
                  {"flags", fmt::format("{:#x}", memory.u32(data + 20))},
                  {"number of folios", std::to_string(folios)}};
  if (folios > memory.pages()) {
    details.emplace_back("problem", "more folios than RAM has pages");
    return details;
  }
  Details runs = FolioRuns(memory, folios).read(memory.u64(data + 32), memory.u32(data + 40));
  details.insert(details.end(), runs.begin(), runs.end());
  return details;
}

Sbdf function_at(RawMemory memory, std::uint64_t address) {
  return {static_cast<std::uint16_t>(memory.u32(address)),
          Bdf(static_cast<std::uint16_t>(memory.number(address + 4, 2)))};
}

Details vfio(RawMemory memory, std::uint64_t data) {
  if (!memory.has(data, 6)) return unreadable(data);
  return {{"function", to_string(function_at(memory, data))}};
}

Details stub_pf(RawMemory memory, std::uint64_t data) {
  if (!memory.has(data, 8)) return unreadable(data);
  return {{"function", to_string(function_at(memory, data))},
          {"virtual functions", std::to_string(memory.number(data + 6, 2))}};
}

Details iommufd(RawMemory memory, std::uint64_t data) {
  if (!memory.has(data, 8)) return unreadable(data);
  const std::uint64_t count = memory.u64(data);
  Details details{{"number of HWPTs", std::to_string(count)}};
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, kTold); ++i) {
    const std::uint64_t at = data + 8 + i * 24;
    if (!memory.has(at, 24)) return unreadable(at);
    details.emplace_back(
        "HWPT", fmt::format("domain record {:#x}, token {}{}", memory.u64(at), memory.u64(at + 8),
                            memory.number(at + 16, 1) != 0 ? ", reclaimed" : ""));
  }
  return details;
}

// FLB "pci": u32 version, u32 functions, u64 first block of {u32 domain, u16 bdf, u16 refcount}.
Details pci(RawMemory memory, std::uint64_t data) {
  if (!memory.has(data, 16)) return unreadable(data);
  Details details{{"version", std::to_string(memory.u32(data))},
                  {"functions", std::to_string(memory.u32(data + 4))}};
  std::uint64_t block = memory.u64(data + 8);
  for (std::size_t blocks = 0; block != 0 && blocks < kTold; ++blocks, block = memory.u64(block)) {
    if (!memory.has(block, sim::kPageSize)) return unreadable(block);
    const std::uint64_t count = std::min<std::uint64_t>(memory.u64(block + 8), 510);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t at = block + 16 + i * 8;
      const std::uint64_t references = memory.number(at + 6, 2);
      if (references == 0) continue;
      details.emplace_back("function", fmt::format("{} refcount {}",
                                                   to_string(function_at(memory, at)), references));
    }
  }
  return details;
}

// FLB "iommu-liveupdate": arrays of packed records behind u64 next, u64 count.
struct RecordKind {
  const char* what;
  std::uint64_t bytes;
  std::string (*describe)(RawMemory, std::uint64_t);
};

std::string describe_unit(RawMemory memory, std::uint64_t at) {
  return fmt::format("token {:#x}, registers {:#x}, root table {:#x}", memory.u64(at + 8),
                     memory.u64(at + 32), memory.u64(at + 40));
}

std::string describe_domain(RawMemory memory, std::uint64_t at) {
  return fmt::format("at {:#x}, top table {:#x}, top level {}, {} address bits{}", at,
                     memory.u64(at + 8), memory.u64(at + 16), memory.u32(at + 24),
                     (memory.number(at + 28, 1) & 1) != 0 ? ", sign extended" : "");
}

std::string describe_device(RawMemory memory, std::uint64_t at) {
  const Sbdf address{static_cast<std::uint16_t>(memory.u32(at + 12)),
                     Bdf(static_cast<std::uint16_t>(memory.u32(at + 8)))};
  return fmt::format("{}, attachment id {}, domain record {:#x}, owner token {}",
                     to_string(address), memory.u64(at + 16), memory.u64(at + 24),
                     memory.u64(at + 40));
}

constexpr std::array kIommuRecords{RecordKind{"unit", 112, describe_unit},
                                   RecordKind{"domain", 37, describe_domain},
                                   RecordKind{"device", 72, describe_device}};

void read_array(RawMemory memory, std::uint64_t page, const RecordKind& kind, Details& details) {
  for (std::size_t pages = 0; page != 0 && pages < kTold; ++pages, page = memory.u64(page)) {
    if (!memory.has(page, sim::kPageSize)) {
      details.emplace_back("problem", fmt::format("{}s: {:#x} is not in RAM", kind.what, page));
      return;
    }
    const std::uint64_t fit = (sim::kPageSize - 16) / kind.bytes;
    const std::uint64_t count = std::min(memory.u64(page + 8), fit);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t at = page + 16 + i * kind.bytes;
      const bool deleted = (memory.u32(at + 4) & 1) != 0;
      details.emplace_back(kind.what, kind.describe(memory, at) + (deleted ? " (deleted)" : ""));
    }
  }
}

Details iommu(RawMemory memory, std::uint64_t data) {
  if (!memory.has(data, 32)) return unreadable(data);
  Details details{{"version", std::to_string(memory.u64(data))}};
  for (std::size_t i = 0; i < kIommuRecords.size(); ++i) {
    read_array(memory, memory.u64(data + 8 + i * 8), kIommuRecords[i], details);
  }
  return details;
}

struct Reader {
  std::string_view compatible;
  Details (*read)(RawMemory, std::uint64_t);
};

constexpr std::array kFiles{Reader{"memfd-v2", memfd}, Reader{"vfio-pci-v1", vfio},
                            Reader{"pci-lu-stub-v1", vfio}, Reader{"pci-lu-stub-pf-v1", stub_pf},
                            Reader{"iommufd-v1", iommufd}};
constexpr std::array kFlbs{Reader{"pci", pci}, Reader{"iommu-liveupdate", iommu}};

template <class Readers>
Details describe(const Readers& readers, RawMemory memory, std::string_view compatible,
                 std::uint64_t data) {
  for (const Reader& reader : readers) {
    if (reader.compatible == compatible) return reader.read(memory, data);
  }
  return {{"record", fmt::format("at {:#x}, not decoded", data)}};
}

}  // namespace

Details describe_file(RawMemory memory, std::string_view compatible, std::uint64_t data) {
  return describe(kFiles, memory, compatible, data);
}

Details describe_flb(RawMemory memory, std::string_view compatible, std::uint64_t data) {
  return describe(kFlbs, memory, compatible, data);
}

}  // namespace baton::harness
