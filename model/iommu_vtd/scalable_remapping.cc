#include "model/iommu_vtd/scalable_remapping.h"

namespace baton::iommu_vtd {

namespace {

Stage stage_of(std::uint64_t type) {
  return type == pasid_entry::kFirstStage ? Stage::kFirst
         : type == pasid_entry::kNested   ? Stage::kNested
                                          : Stage::kSecond;
}

}  // namespace

std::optional<Reason> ScalableRemapping::translate(Progress& progress) {
  const std::expected<Entry256, Reason> context = find_context(progress);
  if (!context) {
    return context.error();
  }
  if (const auto reason = check_request(progress, *context)) {
    return reason;
  }
  if (progress.is_translated()) {
    return progress.beyond_host_width() ? std::optional(Reason::kBeyondHostWidth)
                                        : progress.pass_through(Reason::kScalableInterruptRange);
  }
  const std::expected<Pasid, Reason> pasid = select_pasid(progress, *context);
  if (!pasid) {
    return pasid.error();
  }
  const std::expected<Entry512, Reason> entry = find_pasid_entry(progress, *context, *pasid);
  if (!entry) {
    return entry.error();
  }
  const pci::MemoryRequest& request = progress.request;
  Rights wanted = progress.rights();
  wanted.privileged =
      request.pasid ? request.privileged
                    : core_.profile.rid_privilege() && context->test(scalable_context::kRidPriv);
  wanted.execute = request.pasid && request.execute;
  if (const auto reason = check_kind(*entry, wanted)) {
    return reason;
  }
  progress.result.domain = domain_of(core_.profile, *entry);
  if (entry->get(pasid_entry::kPgtt) == pasid_entry::kPassThrough) {
    return progress.beyond_host_width() ? std::optional(Reason::kBeyondHostWidth)
                                        : progress.pass_through(Reason::kScalableInterruptRange);
  }
  const std::expected<Mapping, Reason> mapping = find_mapping(progress, *entry, *pasid, wanted);
  return mapping ? progress.arrive(*mapping, Reason::kScalableInterruptRange)
                 : std::optional(mapping.error());
}

std::optional<Reason> ScalableRemapping::admit_page_request(Progress& progress) {
  const std::expected<Entry256, Reason> context = find_context(progress);
  if (!context) {
    return context.error();
  }
  if (const auto reason = check_pasid_enabled(progress, *context)) {
    return reason;
  }
  const std::expected<Pasid, Reason> pasid = select_pasid(progress, *context);
  if (!pasid) {
    return pasid.error();
  }
  if (!context->test(scalable_context::kPre)) {
    return Reason::kPageRequestDisabled;
  }
  const std::expected<Entry512, Reason> entry = find_pasid_entry(progress, *context, *pasid);
  if (!entry) {
    return entry.error();
  }
  const DomainId domain = domain_of(core_.profile, *entry);
  const std::uint64_t page = progress.request.address & ~(sim::kPageSize - 1);
  const Range range{page, page + (sim::kPageSize - 1)};
  const Stage stage = stage_of(entry->get(pasid_entry::kPgtt));
  const TagMask tags =
      stage == Stage::kSecond ? tags_of(domain, stage) : tags_of(domain, stage, *pasid);
  core_.iotlb.invalidate(tags, range);
  (stage == Stage::kSecond ? core_.second_stage : core_.first_stage).invalidate(tags, range);
  return std::nullopt;
}

// Steps 38h to 42h. Only good entries are cached.
std::expected<Entry256, Reason> ScalableRemapping::find_context(Progress& progress) {
  const Bdf requester = progress.request.requester;
  if (const Entry256* cached = core_.scalable_contexts.find({0, requester.value()})) {
    progress.spend(core_.profile.timing.context_hit);
    progress.fault_processing_disabled = cached->test(scalable_context::kFpd);
    return *cached;
  }
  progress.count_reads();
  const auto root = read_scalable_root(core_.memory, core_.profile, core_.root_table(), requester);
  if (!root) {
    return std::unexpected(root.error());
  }
  progress.count_reads();
  const auto context = read_scalable_context(core_.memory, *root, requester);
  if (!context) {
    return context;
  }
  progress.fault_processing_disabled = context->test(scalable_context::kFpd);
  if (const auto reason = check_scalable_context(core_.profile, *context)) {
    return std::unexpected(*reason);
  }
  core_.scalable_contexts.insert({0, requester.value()}, *context);
  return context;
}

// Steps 44h and 45h. A unit without device-TLBs or PASIDs does not look at their enable bits.
std::optional<Reason> ScalableRemapping::check_request(const Progress& progress,
                                                       const Entry256& context) const {
  const bool uses_device_tlb = progress.asks_for_translation() || progress.is_translated();
  if (uses_device_tlb && !(core_.profile.device_tlb() && context.test(scalable_context::kDte))) {
    return Reason::kDeviceTlbDisabled;
  }
  return check_pasid_enabled(progress, context);
}

std::optional<Reason> ScalableRemapping::check_pasid_enabled(const Progress& progress,
                                                             const Entry256& context) const {
  const bool enabled = core_.profile.pasid() && context.test(scalable_context::kPaside);
  return progress.request.pasid && !enabled ? std::optional(Reason::kPasidDisabled) : std::nullopt;
}

// Steps 46h and 48h.
std::expected<Pasid, Reason> ScalableRemapping::select_pasid(const Progress& progress,
                                                             const Entry256& context) const {
  const auto& given = progress.request.pasid;
  const Pasid pasid = given ? *given : rid_pasid(core_.profile, context);
  if (!has_directory_entry(context, pasid)) {
    return std::unexpected(given ? Reason::kPasidTooLarge : Reason::kRidPasidTooLarge);
  }
  return pasid;
}

// From the PASID cache, or through directory and table. Only good entries are cached.
std::expected<Entry512, Reason> ScalableRemapping::find_pasid_entry(Progress& progress,
                                                                    const Entry256& context,
                                                                    Pasid pasid) {
  bool& disabled = progress.fault_processing_disabled;
  const bool by_context = disabled;
  const sim::CacheKey key = Core::pasid_key(progress.request.requester, pasid);
  if (const PasidCacheEntry* cached = core_.pasids.find(key)) {
    progress.spend(core_.profile.timing.context_hit);
    disabled = by_context || cached->fault_processing_disabled;
    return cached->entry;
  }
  disabled = false;
  const std::expected<Entry512, Reason> entry = read_tables(progress, context, pasid);
  if (entry) {
    core_.pasids.insert(key, {*entry, disabled});
  }
  disabled = disabled || by_context;
  return entry;
}

// Steps 50h to 5Bh. FPD counts in every entry read, present or not.
std::expected<Entry512, Reason> ScalableRemapping::read_tables(Progress& progress,
                                                               const Entry256& context,
                                                               Pasid pasid) {
  progress.count_reads();
  const auto directory = read_directory_entry(core_.memory, context, pasid);
  if (!directory) {
    return std::unexpected(directory.error());
  }
  progress.fault_processing_disabled = directory->test(pasid_directory::kFpd);
  if (const auto reason = check_directory_entry(core_.profile, *directory)) {
    return std::unexpected(*reason);
  }
  progress.count_reads();
  const auto entry = read_pasid_entry(core_.memory, *directory, pasid);
  if (!entry) {
    return entry;
  }
  progress.fault_processing_disabled |= entry->test(pasid_entry::kFpd);
  if (const auto reason = check_pasid_entry(core_.profile, *entry)) {
    return std::unexpected(*reason);
  }
  return entry;
}

// Steps 5Ch and 5Dh. A unit that has no such requests does not look at their enable bits.
std::optional<Reason> ScalableRemapping::check_kind(const Entry512& entry, Rights wanted) const {
  const Profile& profile = core_.profile;
  if (wanted.execute && !(profile.execute_requests() && entry.test(pasid_entry::kEre))) {
    return Reason::kExecuteDisabled;
  }
  if (wanted.privileged && !(profile.supervisor_requests() && entry.test(pasid_entry::kSre))) {
    return Reason::kSupervisorDisabled;
  }
  return std::nullopt;
}

// From the IOTLB, or through the page tables. A hit that does not allow the request is not final:
// the tables decide.
std::expected<Mapping, Reason> ScalableRemapping::find_mapping(Progress& progress,
                                                               const Entry512& entry, Pasid pasid,
                                                               Rights wanted) {
  const Stage stage = stage_of(entry.get(pasid_entry::kPgtt));
  std::uint64_t tag = stage == Stage::kSecond ? make_tag(core_.tag_domain(progress.result.domain))
                                              : make_tag(core_.tag_domain(progress.result.domain),
                                                         stage, pasid, wanted.privileged);
  if (core_.profile.has(Erratum::kIotlbIgnoresPasid)) {
    tag = with(tag::kPasid, tag, 0);
  }
  const std::uint64_t iova = progress.request.address;
  if (const Mapping* hit = find_cached(progress, tag, wanted)) {
    return *hit;
  }
  const std::expected<Mapping, Reason> mapping = walk(progress, entry, tag, wanted);
  if (mapping) {
    core_.iotlb.insert(tag, iova, *mapping);
  }
  return mapping;
}

std::expected<Mapping, Reason> ScalableRemapping::walk(Progress& progress, const Entry512& entry,
                                                       std::uint64_t tag, Rights wanted) {
  WalkContext second = core_.second_stage_walk(make_tag(progress.result.domain));
  const std::uint64_t iova = progress.request.address;
  if (entry.get(pasid_entry::kPgtt) == pasid_entry::kSecondStage) {
    const SecondStage tables = second_stage_of(entry);
    if (iova >> input_bits(core_.profile, tables.width) != 0) {
      return std::unexpected(Reason::kBeyondSecondStageWidth);
    }
    const auto mapping = walk_second_stage(second, tables, iova, wanted, progress.request.write);
    progress.count_reads(second.reads);
    return mapping ? mapping : std::unexpected(scalable(mapping.error()));
  }
  WalkContext first = second;
  first.cache = core_.first_stage.enabled() ? &core_.first_stage : nullptr;
  first.tag = tag;
  const auto mapping = walk_first_stage(first, second, first_stage_of(entry), iova, wanted);
  progress.count_reads(first.reads + second.reads);
  return mapping;
}

}  // namespace baton::iommu_vtd
