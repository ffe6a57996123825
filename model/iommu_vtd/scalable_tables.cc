#include "model/iommu_vtd/scalable_tables.h"

namespace baton::iommu_vtd {

namespace {

bool uses_first_stage(std::uint64_t type) {
  return type == pasid_entry::kFirstStage || type == pasid_entry::kNested;
}

bool uses_second_stage(std::uint64_t type) {
  return type == pasid_entry::kSecondStage || type == pasid_entry::kNested;
}

bool type_supported(const Profile& profile, std::uint64_t type) {
  switch (type) {
    case pasid_entry::kFirstStage:
      return profile.first_stage();
    case pasid_entry::kSecondStage:
      return profile.second_stage();
    case pasid_entry::kNested:
      return profile.nested();
    case pasid_entry::kPassThrough:
      return profile.pass_through();
    default:
      return false;
  }
}

// Fields that the type does not use are not looked at.
bool has_reserved_bits(const Profile& profile, const Entry512& entry) {
  const std::uint64_t type = entry.get(pasid_entry::kPgtt);
  const std::uint64_t too_high = above_host_width(profile);
  return entry.has_reserved_bits<pasid_entry::kFields>() ||
         (!profile.walk_coherency() && entry.test(pasid_entry::kPwsnp)) ||
         (!profile.snoop_control() && entry.test(pasid_entry::kPgsnp)) ||
         (uses_second_stage(type) &&
          ((entry.words[0] & too_high) != 0 ||
           (!profile.second_stage_accessed_dirty() && entry.test(pasid_entry::kSsade)))) ||
         (uses_first_stage(type) && (entry.words[2] & too_high) != 0);
}

}  // namespace

std::expected<Entry<1>, Reason> read_scalable_root(sim::PhysicalMemory& memory,
                                                   const Profile& profile, PhysAddr root_table,
                                                   Bdf requester) {
  const bool upper = requester.devfn() >= 0x80;
  const std::optional<Entry<1>> root =
      load<1>(memory, root_table + requester.bus() * 16 + (upper ? 8 : 0));
  if (!root) {
    return std::unexpected(Reason::kScalableRootUnreadable);
  }
  if (!root->test(scalable_root::kP)) {
    return std::unexpected(Reason::kScalableRootNotPresent);
  }
  if (root->has_reserved_bits<scalable_root::kFields>() ||
      (root->words[0] & above_host_width(profile)) != 0) {
    return std::unexpected(Reason::kScalableRootReserved);
  }
  return *root;
}

std::expected<Entry256, Reason> read_scalable_context(sim::PhysicalMemory& memory,
                                                      const Entry<1>& root, Bdf requester) {
  const std::uint64_t offset = (requester.devfn() & 0x7F) * sizeof(Entry256);
  const std::optional<Entry256> context =
      load<4>(memory, root.address(scalable_root::kCtp) + offset);
  return context ? std::expected<Entry256, Reason>(*context)
                 : std::unexpected(Reason::kScalableContextUnreadable);
}

std::optional<Reason> check_scalable_context(const Profile& profile, const Entry256& context) {
  if (!context.test(scalable_context::kP)) {
    return Reason::kScalableContextNotPresent;
  }
  if (context.has_reserved_bits<scalable_context::kFields>() ||
      (context.words[0] & above_host_width(profile)) != 0) {
    return Reason::kScalableContextReserved;
  }
  return std::nullopt;
}

bool has_directory_entry(const Entry256& context, Pasid pasid) {
  return pasid.value() >> 6 < std::uint64_t{1} << (context.get(scalable_context::kPdts) + 7);
}

Pasid rid_pasid(const Profile& profile, const Entry256& context) {
  return Pasid(profile.rid_pasid()
                   ? static_cast<std::uint32_t>(context.get(scalable_context::kRidPasid))
                   : 0U);
}

std::expected<Entry<1>, Reason> read_directory_entry(sim::PhysicalMemory& memory,
                                                     const Entry256& context, Pasid pasid) {
  const PhysAddr at =
      context.address(scalable_context::kPasidDirPtr) + std::uint64_t{pasid.value() >> 6} * 8;
  const std::optional<Entry<1>> directory = load<1>(memory, at);
  return directory ? std::expected<Entry<1>, Reason>(*directory)
                   : std::unexpected(Reason::kDirectoryUnreadable);
}

std::optional<Reason> check_directory_entry(const Profile& profile, const Entry<1>& directory) {
  if (!directory.test(pasid_directory::kP)) {
    return Reason::kDirectoryNotPresent;
  }
  if (directory.has_reserved_bits<pasid_directory::kFields>() ||
      (directory.words[0] & above_host_width(profile)) != 0) {
    return Reason::kDirectoryReserved;
  }
  return std::nullopt;
}

std::expected<Entry512, Reason> read_pasid_entry(sim::PhysicalMemory& memory,
                                                 const Entry<1>& directory, Pasid pasid) {
  const std::uint64_t offset = (pasid.value() & 0x3F) * sizeof(Entry512);
  const std::optional<Entry512> entry =
      load<8>(memory, directory.address(pasid_directory::kTable) + offset);
  return entry ? std::expected<Entry512, Reason>(*entry)
               : std::unexpected(Reason::kPasidEntryUnreadable);
}

std::optional<Reason> check_pasid_entry(const Profile& profile, const Entry512& entry) {
  if (!entry.test(pasid_entry::kP)) {
    return Reason::kPasidEntryNotPresent;
  }
  if (has_reserved_bits(profile, entry)) {
    return Reason::kPasidEntryReserved;
  }
  const std::uint64_t type = entry.get(pasid_entry::kPgtt);
  const std::uint64_t mode = entry.get(pasid_entry::kFspm);
  const auto width = static_cast<unsigned>(entry.get(pasid_entry::kAw));
  const bool mode_supported = mode == 0 || (mode == 1 && profile.first_stage_5_level());
  if (!type_supported(profile, type) ||
      (uses_second_stage(type) && !profile.supports_address_width(width)) ||
      (uses_first_stage(type) && !mode_supported)) {
    return Reason::kPasidEntryInvalid;
  }
  return std::nullopt;
}

DomainId domain_of(const Profile& profile, const Entry512& entry) {
  const std::uint64_t mask = (std::uint64_t{1} << profile.domain_id_bits()) - 1;
  return DomainId(static_cast<std::uint16_t>(entry.get(pasid_entry::kDid) & mask));
}

SecondStage second_stage_of(const Entry512& entry) {
  return {.table = entry.address(pasid_entry::kSsptptr),
          .width = static_cast<unsigned>(entry.get(pasid_entry::kAw)),
          .accessed_dirty = entry.test(pasid_entry::kSsade),
          .snooped = entry.test(pasid_entry::kPwsnp)};
}

}  // namespace baton::iommu_vtd
