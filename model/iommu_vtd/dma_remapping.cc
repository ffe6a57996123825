#include "model/iommu_vtd/dma_remapping.h"

namespace baton::iommu_vtd {

namespace {

// RTADDR.TTM
constexpr std::uint64_t kLegacy = 0;
constexpr std::uint64_t kScalable = 1;
constexpr std::uint64_t kAbort = 3;

}  // namespace

DmaRemapping::Outcome DmaRemapping::process(const pci::MemoryRequest& request) {
  Progress progress{.request = request, .core = core_, .result = {}};
  std::optional<Reason> reason = translate(progress);
  if (reason && progress.asks_for_translation() && request.write && is_recoverable(*reason)) {
    progress.without_write = true;
    reason = translate(progress);
  }
  Translation& result = progress.result;
  result.allowed = !reason.has_value();
  if (!reason) {
    return {result, false};
  }
  if (progress.asks_for_translation() && is_recoverable(*reason)) {
    result.allowed = true;  // "no translation" is an answer
    return {result, false};
  }
  result.fault_reason = static_cast<std::uint8_t>(*reason);
  result.status = progress.asks_for_translation() ? completion_of(*reason)
                                                  : pci::CompletionStatus::kUnsupportedRequest;
  if (!is_recorded(progress, *reason)) {
    return {result, false};
  }
  FaultRecord fault{.source = request.requester, .info = request.address, .reason = *reason};
  fault.write = request.write;
  fault.pasid = request.pasid;
  fault.privileged = request.privileged;
  fault.execute = request.execute;
  fault.type = request.type;
  return {result, log_.record(fault)};
}

// A unit without page requests, or with translation off, does not know the message.
DmaRemapping::Admission DmaRemapping::admit(const pci::PageRequest& page_request) {
  if (!core_.profile.page_requests() || !core_.status(gcmd::kTe)) {
    return {};
  }
  pci::MemoryRequest request{.segment = page_request.segment,
                             .requester = page_request.requester,
                             .pasid = page_request.pasid,
                             .address = page_request.address};
  Progress progress{.request = request, .core = core_, .result = {}};
  const std::uint64_t mode = get(rtaddr::kTtm, core_.root);
  std::optional<Reason> reason;
  if (mode == kLegacy) {
    reason = Reason::kPageRequestInLegacyMode;
  } else if (mode == kScalable && core_.profile.scalable_mode()) {
    reason = scalable_.admit_page_request(progress);
  } else {
    reason =
        core_.profile.abort_mode() && mode == kAbort ? Reason::kUnrecorded : Reason::kBadTableMode;
  }
  if (!reason) {
    return {.allowed = true};
  }
  if (!is_recorded(progress, *reason)) {
    return {.reason = *reason};
  }
  const FaultRecord fault{.source = request.requester,
                          .info = request.address,
                          .reason = *reason,
                          .page_request = true,
                          .pasid = request.pasid};
  return {.reason = *reason, .recorded = log_.record(fault)};
}

bool DmaRemapping::is_recorded(const Progress& progress, Reason reason) const {
  if (reason == Reason::kUnrecorded) {
    return false;
  }
  // Reads of interrupt addresses are blocked always, recorded only while interrupts are remapped.
  if (reason == Reason::kNotAnInterrupt && !core_.status(gcmd::kIre)) {
    return false;
  }
  return !(progress.fault_processing_disabled && is_qualified(reason));
}

std::optional<Reason> DmaRemapping::translate(Progress& progress) {
  const pci::MemoryRequest& request = progress.request;
  const bool untranslated = request.type == pci::AddressType::kUntranslated;
  if (untranslated && !request.pasid && is_interrupt_address(request.address)) {
    return Reason::kNotAnInterrupt;
  }
  if (!core_.status(gcmd::kTe)) {
    return untranslated ? progress.pass_through(Reason::kUnrecorded)
                        : std::optional(Reason::kUnrecorded);
  }
  const std::uint64_t mode = get(rtaddr::kTtm, core_.root);
  if (mode == kLegacy) {
    return translate_legacy(progress);
  }
  if (mode == kScalable && core_.profile.scalable_mode()) {
    return scalable_.translate(progress);
  }
  return mode == kAbort && core_.profile.abort_mode() ? Reason::kUnrecorded : Reason::kBadTableMode;
}

std::optional<Reason> DmaRemapping::translate_legacy(Progress& progress) {
  if (progress.request.pasid) {
    return Reason::kPasidInLegacyMode;
  }
  const std::expected<Entry128, Reason> context = find_context(progress);
  if (!context) {
    return context.error();
  }
  if (const auto reason = check_address(progress, *context)) {
    return reason;
  }
  progress.result.domain = domain_of(core_.profile, *context);
  if (progress.is_translated() || context->get(context_entry::kTt) == context_entry::kPassThrough) {
    return progress.pass_through(Reason::kInterruptRangeOutput);
  }
  const std::expected<Mapping, Reason> mapping = find_mapping(progress, *context);
  return mapping ? progress.arrive(*mapping, Reason::kInterruptRangeOutput)
                 : std::optional(mapping.error());
}

// From the context cache, or through root and context table. Only good entries are cached.
std::expected<Entry128, Reason> DmaRemapping::find_context(Progress& progress) {
  const Bdf requester = progress.request.requester;
  if (const Entry128* cached = core_.contexts.find({0, requester.value()})) {
    progress.spend(core_.profile.timing.context_hit);
    progress.fault_processing_disabled = cached->test(context_entry::kFpd);
    return *cached;
  }
  progress.count_reads();
  const std::expected<Entry128, Reason> root =
      read_root_entry(core_.memory, core_.profile, core_.root_table(), requester.bus());
  if (!root) {
    return root;
  }
  progress.count_reads();
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
  core_.contexts.insert({0, requester.value()}, *context);
  return context;
}

std::optional<Reason> DmaRemapping::check_address(const Progress& progress,
                                                  const Entry128& context) const {
  const std::uint64_t type = context.get(context_entry::kTt);
  if (progress.request.type != pci::AddressType::kUntranslated &&
      type != context_entry::kWithDeviceTlb) {
    return Reason::kAddressTypeBlocked;
  }
  if (progress.is_translated() || type == context_entry::kPassThrough) {
    return progress.beyond_host_width() ? std::optional(Reason::kBeyondAddressWidth) : std::nullopt;
  }
  const unsigned bits = input_bits(core_.profile, second_stage_of(context).width);
  return progress.request.address >> bits != 0 ? std::optional(Reason::kBeyondAddressWidth)
                                               : std::nullopt;
}

// From the IOTLB, or through the page tables. A hit that does not allow the request is not final:
// the tables decide [VT-d 6.2.4].
std::expected<Mapping, Reason> DmaRemapping::find_mapping(Progress& progress,
                                                          const Entry128& context) {
  const std::uint64_t iova = progress.request.address;
  const std::uint64_t tag = make_tag(core_.tag_domain(progress.result.domain));
  const Rights wanted = progress.rights();
  if (const Mapping* hit = find_cached(progress, tag, wanted)) {
    return *hit;
  }
  WalkContext walk = core_.second_stage_walk(tag);
  const std::expected<Mapping, Reason> mapping =
      walk_second_stage(walk, second_stage_of(context), iova, wanted, progress.request.write);
  progress.count_reads(walk.reads);
  if (mapping) {
    core_.iotlb.insert(tag, iova, *mapping);
  }
  return mapping;
}

}  // namespace baton::iommu_vtd
