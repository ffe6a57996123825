#include "model/devices/dsa/descriptor_check.h"

#include <array>
#include <cstring>

namespace baton::devices::dsa {
namespace {

constexpr std::uint32_t kAlwaysAllowed =
    flag::kRecordAddressValid | flag::kRequestRecord | flag::kRequestInterrupt;
// Hints about caches and ordering of the data: allowed where data is written or read.
constexpr std::uint32_t kDataFlags =
    flag::kCacheControl1 | flag::kCacheControl2 | flag::kTrafficClasses | flag::kStrictOrdering;

std::uint32_t allowed_flags(const Descriptor& d, const DescriptorRules& rules) {
  std::uint32_t allowed = kAlwaysAllowed | kDataFlags;
  if (rules.in_batch) allowed |= flag::kFence;
  if (d.opcode() == Opcode::kCompare) allowed |= flag::kCheckResult;
  if (d.opcode() == Opcode::kDrain) allowed |= flag::kReadback1Valid | flag::kReadback2Valid;
  return allowed;
}

// Bits that contradict the operation, its queue, or each other. Block on fault is always invalid:
// GENCAP does not offer it.
std::uint32_t invalid_flags(const Descriptor& d, const DescriptorRules& rules) {
  std::uint32_t invalid = d.flags() & ~allowed_flags(d, rules);
  if (rules.interrupts_reserved) invalid |= d.flags() & flag::kRequestInterrupt;
  if (d.has(flag::kRequestRecord) && !d.has(flag::kRecordAddressValid)) {
    invalid |= flag::kRequestRecord;
  }
  // An operation whose result nobody would see.
  if (d.opcode() == Opcode::kCompare && !d.has(flag::kRequestRecord)) {
    invalid |= flag::kRequestRecord;
  }
  if (d.opcode() == Opcode::kDrain && !d.has(flag::kRequestRecord) &&
      !d.has(flag::kRequestInterrupt)) {
    invalid |= flag::kRequestRecord | flag::kRequestInterrupt;
  }
  return invalid;
}

bool reserved_fields_clear(const Descriptor& d) {
  std::array<std::uint64_t, 3> tail{};
  static_assert(sizeof(d.specific) <= sizeof(tail));
  std::memcpy(tail.data(), d.specific, sizeof(d.specific));
  const bool tail_clear = (tail[0] | tail[1] | tail[2]) == 0;
  const bool expected_clear =
      d.opcode() == Opcode::kCompare ? d.expected_result <= 1 : d.expected_result == 0;
  return d.reserved == 0 && tail_clear && expected_clear;
}

bool moves_data(Opcode opcode) {
  return opcode == Opcode::kMemoryMove || opcode == Opcode::kFill || opcode == Opcode::kCompare;
}

}  // namespace

DescriptorVerdict check(const Descriptor& d, const DescriptorRules& rules) {
  if (d.has(flag::kRecordAddressValid) && d.record_address % 32 != 0) {
    return {Status::kRecordAlignment};
  }
  const bool supported = d.opcode_byte() < 64 && (rules.operations >> d.opcode_byte() & 1) != 0;
  const bool outside_batch_only = d.opcode() == Opcode::kBatch || d.opcode() == Opcode::kDrain;
  if (!supported || (rules.in_batch && outside_batch_only)) return {Status::kBadOpcode};
  if (const std::uint32_t invalid = invalid_flags(d, rules); invalid != 0) {
    return {Status::kInvalidFlags, invalid};
  }
  if (!reserved_fields_clear(d)) return {Status::kReservedField};
  if (moves_data(d.opcode()) && (d.size == 0 || d.size > rules.max_transfer)) {
    return {Status::kBadSize};
  }
  if (d.opcode() == Opcode::kBatch) {
    // Batches of one need GENCAP bit 52.
    if (d.size < 2 || d.size > rules.max_batch) return {Status::kBadCount};
    if (d.source % 64 != 0) return {Status::kListAlignment};
  }
  if (d.has(flag::kRequestInterrupt) && !rules.interrupt_handle_valid) {
    return {Status::kInterruptHandle};
  }
  return {};
}

}  // namespace baton::devices::dsa
