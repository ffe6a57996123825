#include "model/iommu_vtd/dma_remapping.h"

namespace baton::iommu_vtd {

namespace {

constexpr std::uint64_t kGranule = std::uint64_t{1} << 20;

Rights rights_of(const Profile& profile, const pci::MemoryRequest& request) {
  if (request.write) {
    return {.read = false, .write = true};
  }
  // A zero-length read may hit a write-only page [VT-d 3.6.1.1, CAP.ZLR].
  return {.read = request.length > 0 || !profile.zero_length_read(), .write = false};
}

bool overlaps(const pci::MemoryRequest& request, std::uint64_t first, std::uint64_t last) {
  const std::uint64_t bytes = request.length == 0 ? 1 : request.length;
  return request.address <= last && request.address + (bytes - 1) >= first;
}

}  // namespace

DmaRemapping::Outcome DmaRemapping::process(const pci::MemoryRequest& request) {
  Progress progress{.request = request, .result = {}};
  const std::optional<Reason> reason = translate(progress);
  progress.result.allowed = !reason.has_value();
  if (!reason) {
    return {progress.result, false};
  }
  progress.result.fault_reason = static_cast<std::uint8_t>(*reason);
  const bool unrecordable = *reason == Reason::kProtectedRegion ||
                            // Reads of interrupt addresses are blocked always, recorded only while
                            // interrupts are remapped.
                            (*reason == Reason::kNotAnInterrupt && !core_.status(gcmd::kIre));
  if (unrecordable || (progress.fault_processing_disabled && is_qualified(*reason))) {
    return {progress.result, false};
  }
  FaultRecord fault{.source = request.requester, .info = request.address, .reason = *reason};
  fault.write = request.write;
  fault.pasid = request.pasid;
  fault.type = request.type;
  return {progress.result, log_.record(fault)};
}

std::optional<Reason> DmaRemapping::translate(Progress& progress) {
  const pci::MemoryRequest& request = progress.request;
  if (!request.pasid && is_interrupt_address(request.address)) {
    return Reason::kNotAnInterrupt;
  }
  if (!core_.status(gcmd::kTe)) {
    return pass_through(progress);
  }
  if (const auto reason = check_request(progress)) {
    return reason;
  }
  const std::expected<Entry128, Reason> context = find_context(progress);
  if (!context) {
    return context.error();
  }
  if (const auto reason = check_address(progress, *context)) {
    return reason;
  }
  progress.result.domain = domain_of(core_.profile, *context);
  if (context->get(context_entry::kTt) == context_entry::kPassThrough) {
    return pass_through(progress);
  }
  const std::expected<Mapping, Reason> mapping = find_mapping(progress, *context);
  if (!mapping) {
    return mapping.error();
  }
  progress.result.address = mapping->translate(request.address);
  if (is_interrupt_address(progress.result.address.value())) {
    return Reason::kInterruptRangeOutput;
  }
  return std::nullopt;
}

// [VT-d 7.1.3: RTA.1, RTA.2]
std::optional<Reason> DmaRemapping::check_request(const Progress& progress) const {
  if (get(rtaddr::kTtm, core_.root) != 0) {
    return Reason::kBadTableMode;
  }
  if (progress.request.pasid) {
    return Reason::kPasidInLegacyMode;
  }
  return std::nullopt;
}

// From the context cache, or through root and context table. Only good entries are cached.
std::expected<Entry128, Reason> DmaRemapping::find_context(Progress& progress) {
  const Bdf requester = progress.request.requester;
  if (const Entry128* cached = core_.contexts.find(requester.value())) {
    progress.result.latency += core_.profile.timing.context_hit;
    progress.fault_processing_disabled = cached->test(context_entry::kFpd);
    return *cached;
  }
  count_read(progress);
  const std::expected<Entry128, Reason> root =
      read_root_entry(core_.memory, core_.profile, core_.root_table(), requester.bus());
  if (!root) {
    return root;
  }
  count_read(progress);
  const std::expected<Entry128, Reason> context =
      read_context_entry(core_.memory, *root, requester.devfn());
  if (!context) {
    return context;
  }
  // FPD counts even in an entry that is not present.
  progress.fault_processing_disabled = context->test(context_entry::kFpd);
  if (const auto reason = check_context_entry(core_.profile, *context)) {
    return std::unexpected(*reason);
  }
  core_.contexts.insert(requester.value(), *context);
  return context;
}

std::optional<Reason> DmaRemapping::check_address(const Progress& progress,
                                                  const Entry128& context) const {
  if (progress.request.type != pci::AddressType::kUntranslated) {
    return Reason::kAddressTypeBlocked;
  }
  const bool passes = context.get(context_entry::kTt) == context_entry::kPassThrough;
  const unsigned width =
      passes ? core_.profile.host_address_width : input_bits(core_.profile, context);
  return progress.request.address >> width != 0 ? std::optional(Reason::kBeyondAddressWidth)
                                                : std::nullopt;
}

// From the IOTLB, or through the page tables. A hit that does not allow the request is not final:
// the tables decide [VT-d 6.2.4].
std::expected<Mapping, Reason> DmaRemapping::find_mapping(Progress& progress,
                                                          const Entry128& context) {
  const std::uint64_t iova = progress.request.address;
  const DomainId domain = progress.result.domain;
  const Rights wanted = rights_of(core_.profile, progress.request);
  if (const IotlbEntry* hit = core_.iotlb.find(domain, iova);
      hit != nullptr && hit->mapping.allows(wanted)) {
    progress.result.latency += core_.profile.timing.iotlb_hit;
    return hit->mapping;
  }
  unsigned reads = 0;
  const std::expected<Mapping, Reason> mapping = walk_second_stage(
      core_.memory, core_.profile, context, iova, wanted, progress.request.write, reads);
  count_read(progress, reads);
  if (mapping) {
    core_.iotlb.insert(domain, iova, *mapping);
  }
  return mapping;
}

// With translation off, or by a context entry: the address is the physical address, unless
// protected [VT-d 3.16].
std::optional<Reason> DmaRemapping::pass_through(Progress& progress) const {
  if (is_protected(progress.request)) {
    return Reason::kProtectedRegion;
  }
  progress.result.address = PhysAddr(progress.request.address);
  return std::nullopt;
}

bool DmaRemapping::is_protected(const pci::MemoryRequest& request) const {
  const RegisterFile& regs = core_.regs;
  if (!regs.test(Reg::kPmen, pmen::kPrs)) {
    return false;
  }
  const auto inside = [&](Reg base, Reg limit) {
    const std::uint64_t first = regs.get(base);
    const std::uint64_t last = regs.get(limit) | (kGranule - 1);
    return first <= last && overlaps(request, first, last);
  };
  return (core_.profile.protected_low() && inside(Reg::kPlmbase, Reg::kPlmlimit)) ||
         (core_.profile.protected_high() && inside(Reg::kPhmbase, Reg::kPhmlimit));
}

void DmaRemapping::count_read(Progress& progress, unsigned reads) const {
  progress.result.misses += reads;
  progress.result.latency += core_.profile.timing.table_read * reads;
}

}  // namespace baton::iommu_vtd
