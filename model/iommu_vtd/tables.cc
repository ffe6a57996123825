#include "model/iommu_vtd/tables.h"

#include <algorithm>

namespace baton::iommu_vtd {

namespace {

// Bits 63:HAW.
std::uint64_t above_host_width(const Profile& profile) {
  return ~std::uint64_t{0} << profile.host_address_width;
}

template <std::size_t N>
bool has_reserved_bits(const Entry128& entry, const std::array<Field, N>& fields) {
  return (entry.words[0] & mask_of(fields, Access::kReserved, 0)) != 0 ||
         (entry.words[1] & mask_of(fields, Access::kReserved, 1)) != 0;
}

constexpr std::uint64_t kEntryBytes = 16;

}  // namespace

bool is_qualified(Reason reason) {
  switch (reason) {
    case Reason::kRootNotPresent:
    case Reason::kRootUnreadable:
    case Reason::kContextUnreadable:
    case Reason::kRootReserved:
    case Reason::kRemapRequestReserved:
    case Reason::kRemapIndexTooLarge:
    case Reason::kRemapEntryUnreadable:
    case Reason::kCompatibilityBlocked:
    case Reason::kNotAnInterrupt:
    case Reason::kBadTableMode:
    case Reason::kPasidInLegacyMode:
      return false;
    default:
      return true;
  }
}

std::optional<Entry128> load_entry(sim::PhysicalMemory& memory, PhysAddr address) {
  if (!memory.contains(address, kEntryBytes)) {
    return std::nullopt;
  }
  return memory.load<Entry128>(address);
}

std::expected<Entry128, Reason> read_root_entry(sim::PhysicalMemory& memory, const Profile& profile,
                                                PhysAddr root_table, unsigned bus) {
  const std::optional<Entry128> root = load_entry(memory, root_table + bus * kEntryBytes);
  if (!root) {
    return std::unexpected(Reason::kRootUnreadable);
  }
  if (!root->test(root_entry::kP)) {
    return std::unexpected(Reason::kRootNotPresent);
  }
  if (has_reserved_bits(*root, root_entry::kFields) ||
      (root->words[0] & above_host_width(profile)) != 0) {
    return std::unexpected(Reason::kRootReserved);
  }
  return *root;
}

std::expected<Entry128, Reason> read_context_entry(sim::PhysicalMemory& memory,
                                                   const Entry128& root, unsigned devfn) {
  const std::optional<Entry128> context =
      load_entry(memory, root.address(root_entry::kCtp) + devfn * kEntryBytes);
  if (!context) {
    return std::unexpected(Reason::kContextUnreadable);
  }
  return *context;
}

std::optional<Reason> check_context_entry(const Profile& profile, const Entry128& context) {
  if (!context.test(context_entry::kP)) {
    return Reason::kContextNotPresent;
  }
  const std::uint64_t type = context.get(context_entry::kTt);
  const bool passes_through = type == context_entry::kPassThrough;
  // The table pointer of a pass-through entry is not looked at.
  const bool pointer_too_wide =
      !passes_through &&
      (context.words[0] & context_entry::kSsptptr.mask() & above_host_width(profile)) != 0;
  if (has_reserved_bits(context, context_entry::kFields) || pointer_too_wide) {
    return Reason::kContextReserved;
  }
  const auto width = static_cast<unsigned>(context.get(context_entry::kAw));
  const bool type_supported = type == context_entry::kUntranslatedOnly ||
                              (type == context_entry::kWithDeviceTlb && profile.device_tlb()) ||
                              (passes_through && profile.pass_through());
  const bool width_supported = passes_through ? width == profile.largest_address_width()
                                              : profile.supports_address_width(width);
  if (!type_supported || !width_supported) {
    return Reason::kContextInvalid;
  }
  return std::nullopt;
}

DomainId domain_of(const Profile& profile, const Entry128& context) {
  const std::uint64_t mask = (std::uint64_t{1} << profile.domain_id_bits()) - 1;
  return DomainId(static_cast<std::uint16_t>(context.get(context_entry::kDid) & mask));
}

unsigned input_bits(const Profile& profile, const Entry128& context) {
  const auto width = static_cast<unsigned>(context.get(context_entry::kAw));
  return std::min(30 + 9 * width, profile.guest_address_bits());
}

bool is_leaf(std::uint64_t entry, unsigned level) {
  return level == 0 || get(paging_entry::kPs, entry) != 0;
}

std::optional<Reason> check_paging_entry(const Profile& profile, std::uint64_t entry,
                                         unsigned level, Rights wanted, bool write) {
  const bool readable = get(paging_entry::kR, entry) != 0;
  const bool writable = get(paging_entry::kW, entry) != 0;
  if ((wanted.write && !writable) || (write && !readable && !writable)) {
    return Reason::kNoWritePermission;
  }
  if ((wanted.read && !readable) || (!readable && !writable)) {
    return Reason::kNoReadPermission;
  }
  const bool leaf = is_leaf(entry, level);
  std::uint64_t reserved = above_host_width(profile) & paging_entry::kAddress.mask();
  if (!leaf || !profile.transient_mapping_bit || !profile.device_tlb()) {
    reserved |= paging_entry::kTm.mask();
  }
  if (!leaf || !profile.snoop_control()) {
    reserved |= paging_entry::kSnp.mask();
  }
  if (leaf && level > 0) {
    if (!profile.superpage(level)) {
      return Reason::kPagingEntryReserved;
    }
    // The frame is aligned to its size.
    reserved |= paging_entry::kAddress.mask() & ((sim::kPageSize << (9 * level)) - 1);
  }
  return (entry & reserved) != 0 ? std::optional(Reason::kPagingEntryReserved) : std::nullopt;
}

std::expected<Mapping, Reason> walk_second_stage(sim::PhysicalMemory& memory,
                                                 const Profile& profile, const Entry128& context,
                                                 std::uint64_t iova, Rights wanted, bool write,
                                                 unsigned& reads) {
  const unsigned levels = static_cast<unsigned>(context.get(context_entry::kAw)) + 2;
  Mapping mapping{.frame = {}, .level = 0, .readable = true, .writable = true};
  PhysAddr table = context.address(context_entry::kSsptptr);
  for (unsigned level = levels - 1;; --level) {
    const PhysAddr at = table + (iova >> (12 + 9 * level) & 0x1FF) * 8;
    if (!memory.contains(at, 8)) {
      return std::unexpected(level == levels - 1 ? Reason::kContextInvalid
                                                 : Reason::kPagingEntryUnreadable);
    }
    const auto entry = memory.load<std::uint64_t>(at);
    ++reads;
    if (const auto reason = check_paging_entry(profile, entry, level, wanted, write)) {
      return std::unexpected(*reason);
    }
    mapping.readable = mapping.readable && get(paging_entry::kR, entry) != 0;
    mapping.writable = mapping.writable && get(paging_entry::kW, entry) != 0;
    const PhysAddr target(entry & paging_entry::kAddress.mask());
    if (is_leaf(entry, level)) {
      mapping.frame = target;
      mapping.level = level;
      return mapping;
    }
    table = target;
  }
}

}  // namespace baton::iommu_vtd
