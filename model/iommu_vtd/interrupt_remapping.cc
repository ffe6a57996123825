#include "model/iommu_vtd/interrupt_remapping.h"

namespace baton::iommu_vtd {

namespace {

// Message address and data of the two formats [VT-d 5.1.2].
constexpr Field kFormat{"format", 4, 4};
constexpr Field kHandleLow{"handle[14:0]", 19, 5};
constexpr Field kHandleHigh{"handle[15]", 2, 2};
constexpr Field kShv{"SHV", 3, 3};
constexpr Field kApicId{"APIC id", 19, 12};
constexpr Field kLogical{"DM", 2, 2};
constexpr Field kDataVector{"V", 7, 0};
constexpr Field kDataDelivery{"DLM", 10, 8};
constexpr Field kDataTrigger{"TM", 15, 15};
constexpr Field kSubhandle{"subhandle", 15, 0};
constexpr Field kDataReserved{"", 31, 16};
constexpr Field kXapicId{"DST[15:8]", 47, 40};

RemappedInterrupt compatibility(std::uint64_t address, std::uint32_t data) {
  RemappedInterrupt interrupt;
  interrupt.destination = static_cast<std::uint32_t>(get(kApicId, address));
  interrupt.logical = get(kLogical, address) != 0;
  interrupt.vector = Vector(static_cast<std::uint8_t>(get(kDataVector, data)));
  interrupt.delivery_mode = static_cast<std::uint8_t>(get(kDataDelivery, data));
  interrupt.level_triggered = get(kDataTrigger, data) != 0;
  return interrupt;
}

std::uint64_t index_of(std::uint64_t address, std::uint32_t data) {
  const std::uint64_t handle = get(kHandleHigh, address) << 15 | get(kHandleLow, address);
  return handle + (get(kShv, address) != 0 ? get(kSubhandle, data) : 0);
}

// [VT-d 9.10: SVT, SQ]
std::optional<Reason> verify_source(const Entry128& entry, Bdf requester) {
  const std::uint64_t sid = entry.get(remap_entry::kSid);
  switch (entry.get(remap_entry::kSvt)) {
    case 0:
      return std::nullopt;
    case 1: {
      constexpr std::array<std::uint16_t, 4> kMasks{0xFFFF, 0xFFFB, 0xFFF9, 0xFFF8};
      const std::uint16_t mask = kMasks[entry.get(remap_entry::kSq)];
      return (requester.value() & mask) == (sid & mask) ? std::nullopt
                                                        : std::optional(Reason::kSourceMismatch);
    }
    case 2:  // bus range, start in the high byte
      return requester.bus() >= sid >> 8 && requester.bus() <= (sid & 0xFF)
                 ? std::nullopt
                 : std::optional(Reason::kSourceMismatch);
    default:
      // AMBIGUOUS: SVT=11b is a reserved encoding; one reading reports a reserved field, another a
      // source mismatch. The first is taken.
      return Reason::kRemapEntryReserved;
  }
}

}  // namespace

InterruptRemapping::Outcome InterruptRemapping::process(Bdf requester, std::uint64_t address,
                                                        std::uint32_t data) {
  Progress progress{
      .requester = requester, .address = address, .data = data, .result = {}, .posting = {}};
  if (!core_.status(gcmd::kIre)) {
    progress.result = compatibility(address, data);
    progress.result.allowed = true;
    return {progress.result, 0, false, false, std::nullopt};
  }
  const std::optional<Reason> reason = remap(progress);
  progress.result.allowed = !reason.has_value();
  if (!reason) {
    return {progress.result, progress.index, false, false, progress.posting};
  }
  progress.result.fault_reason = static_cast<std::uint8_t>(*reason);
  if (progress.fault_processing_disabled && is_qualified(*reason)) {
    return {progress.result, progress.index, false, true, std::nullopt};
  }
  FaultRecord fault{.source = requester, .info = progress.index << 48, .reason = *reason};
  fault.write = true;
  return {progress.result, progress.index, log_.record(fault), false, std::nullopt};
}

bool InterruptRemapping::extended() const { return get(irta::kEime, core_.remap_table) != 0; }

std::optional<Reason> InterruptRemapping::remap(Progress& progress) {
  if (get(kFormat, progress.address) == 0) {
    if (extended() || !core_.status(gcmd::kCfi)) {
      return Reason::kCompatibilityBlocked;
    }
    progress.result = compatibility(progress.address, progress.data);
    return std::nullopt;
  }
  progress.index = index_of(progress.address, progress.data);
  if (const auto reason = check_message(progress)) {
    return reason;
  }
  const std::expected<Entry128, Reason> entry = find_entry(progress);
  if (!entry) {
    return entry.error();
  }
  if (const auto reason = verify_source(*entry, progress.requester)) {
    return reason;
  }
  if (entry->test(remap_entry::kIm)) {
    return posted(*entry, progress);
  }
  remapped(*entry, progress.result);
  return std::nullopt;
}

void InterruptRemapping::remapped(const Entry128& entry, RemappedInterrupt& result) const {
  // Without x2APIC ids the id lies in DST[15:8]; the other bits are not looked at.
  result.destination = static_cast<std::uint32_t>(extended() ? entry.get(remap_entry::kDestination)
                                                             : entry.get(kXapicId));
  result.vector = Vector(static_cast<std::uint8_t>(entry.get(remap_entry::kVector)));
  result.delivery_mode = static_cast<std::uint8_t>(entry.get(remap_entry::kDlm));
  result.logical = entry.test(remap_entry::kDm);
  result.level_triggered = entry.test(remap_entry::kTm);
}

// [VT-d 5.2.3] The notification is fixed, edge triggered, to a physical APIC id.
std::optional<Reason> InterruptRemapping::posted(const Entry128& entry, Progress& progress) {
  const UnitTiming& timing = core_.profile.timing;
  progress.result.latency += timing.posted_update;
  const std::expected<Posting, Reason> done = post(core_.memory, core_.profile, entry, extended());
  if (!done) {
    return done.error();
  }
  RemappedInterrupt& result = progress.result;
  result.posted = true;
  result.notifies = done->notifies;
  result.destination = done->destination;
  result.vector = done->notification;
  if (done->notifies) {
    result.latency += timing.posted_notification;
  }
  progress.posting = *done;
  return std::nullopt;
}

std::optional<Reason> InterruptRemapping::check_message(const Progress& progress) const {
  if (get(kShv, progress.address) != 0 && get(kDataReserved, progress.data) != 0) {
    return Reason::kRemapRequestReserved;
  }
  const std::uint64_t entries = std::uint64_t{2} << get(irta::kSize, core_.remap_table);
  return progress.index >= entries ? std::optional(Reason::kRemapIndexTooLarge) : std::nullopt;
}

// IM is a reserved bit where the unit does not post.
bool InterruptRemapping::has_reserved_bits(const Entry128& entry) const {
  if (core_.profile.posted_interrupts() && entry.test(remap_entry::kIm)) {
    return entry.has_reserved_bits(posted_entry::kFields);
  }
  return entry.has_reserved_bits(remap_entry::kFields);
}

// From the interrupt-entry cache, or from the table. Only good entries are cached.
std::expected<Entry128, Reason> InterruptRemapping::find_entry(Progress& progress) {
  if (const Entry128* cached = core_.remap_entries.find({0, progress.index})) {
    progress.result.latency += core_.profile.timing.interrupt_entry_hit;
    progress.fault_processing_disabled = cached->test(remap_entry::kFpd);
    return *cached;
  }
  const PhysAddr table(core_.remap_table & irta::kBase.mask());
  progress.result.latency += core_.profile.timing.table_read;
  const std::optional<Entry128> entry = load_entry(core_.memory, table + progress.index * 16);
  if (!entry) {
    return std::unexpected(Reason::kRemapEntryUnreadable);
  }
  progress.fault_processing_disabled = entry->test(remap_entry::kFpd);
  if (!entry->test(remap_entry::kP)) {
    return std::unexpected(Reason::kRemapEntryNotPresent);
  }
  if (has_reserved_bits(*entry)) {
    return std::unexpected(Reason::kRemapEntryReserved);
  }
  core_.remap_entries.insert({0, progress.index}, *entry);
  return *entry;
}

}  // namespace baton::iommu_vtd
