#include "model/iommu_vtd/request_progress.h"

namespace baton::iommu_vtd {

namespace {

constexpr std::uint64_t kGranule = std::uint64_t{1} << 20;

bool overlaps(const pci::MemoryRequest& request, std::uint64_t first, std::uint64_t last) {
  const std::uint64_t bytes = request.length == 0 ? 1 : request.length;
  return request.address <= last && request.address + (bytes - 1) >= first;
}

}  // namespace

void Progress::count_reads(unsigned reads) {
  result.misses += reads;
  result.latency += core.profile.timing.table_read * reads;
}

bool Progress::beyond_host_width() const {
  return (request.address & above_host_width(core.profile)) != 0;
}

Rights Progress::rights() const {
  if (asks_for_translation()) {
    return {.read = false, .write = request.write && !without_write};
  }
  if (request.write) {
    return {.read = false, .write = true};
  }
  return {.read = request.length > 0 || !core.profile.zero_length_read(), .write = false};
}

std::optional<Reason> Progress::arrive(const Mapping& mapping, Reason interrupt_range) {
  const PhysAddr address = mapping.translate(request.address);
  if (is_interrupt_address(address.value())) {
    return interrupt_range;
  }
  result.address = address;
  result.readable = mapping.readable;
  // A page that is not marked dirty yet is not given out for writing.
  result.writable = mapping.writable && (mapping.dirty || !asks_for_translation());
  result.page_bytes = mapping.bytes();
  return std::nullopt;
}

std::optional<Reason> Progress::pass_through(Reason interrupt_range) {
  if (is_protected(core, request)) {
    return Reason::kUnrecorded;
  }
  const PhysAddr page(request.address & ~(sim::kPageSize - 1));
  return arrive({.frame = page, .level = 0, .readable = true, .writable = true}, interrupt_range);
}

const Mapping* find_cached(Progress& progress, std::uint64_t tag, Rights wanted) {
  Core& core = progress.core;
  const Mapping* hit = core.iotlb.find(tag, progress.request.address);
  if (hit == nullptr) {
    return nullptr;
  }
  if (!hit->allows(wanted) && !core.profile.has(Erratum::kIotlbIgnoresRights)) {
    ++core.changes;  // what the walk finds may differ from what the entry told others
    return nullptr;
  }
  progress.spend(core.profile.timing.iotlb_hit);
  return hit;
}

bool is_protected(const Core& core, const pci::MemoryRequest& request) {
  const RegisterFile& regs = core.regs;
  if (!regs.test(Reg::kPmen, pmen::kPrs)) {
    return false;
  }
  const auto inside = [&](Reg base, Reg limit) {
    const std::uint64_t first = regs.get(base);
    const std::uint64_t last = regs.get(limit) | (kGranule - 1);
    return first <= last && overlaps(request, first, last);
  };
  return (core.profile.protected_low() && inside(Reg::kPlmbase, Reg::kPlmlimit)) ||
         (core.profile.protected_high() && inside(Reg::kPhmbase, Reg::kPhmlimit));
}

}  // namespace baton::iommu_vtd
