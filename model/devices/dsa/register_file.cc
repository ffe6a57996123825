#include "model/devices/dsa/register_file.h"

#include <algorithm>

#include "sim/check.h"

namespace baton::devices::dsa {
namespace {

constexpr std::uint16_t kSwerrorEnd = offset::kSwerror + 32;

// What a reset clears includes the fields of states, which their tables have made Disabled before.
static_assert(DeviceState::kDisabled == DeviceState{} && WqState::kDisabled == WqState{});
static_assert(ResetNeeded::kDevice == ResetNeeded{});

}  // namespace

RegisterFile::RegisterFile() {
  adopt(fixed_rows(), 0);
  for (std::uint32_t vector = 0; vector < kMsixVectors; ++vector) {
    adopt(msixperm_rows(), msixperm_base(vector));
  }
  for (std::uint32_t g = 0; g < kGroupCount; ++g) adopt(grpcfg_rows(), group_base(g));
  for (std::uint32_t w = 0; w < kWqCount; ++w) adopt(wqcfg_rows(), wq_base(w));
  reset();
}

void RegisterFile::adopt(std::span<const Field> rows, std::uint16_t base) {
  for (const Field& row : rows) {
    for (unsigned half = 0; half < row.bytes / 4u; ++half) {
      const auto mask = static_cast<std::uint32_t>(row.mask() >> (32 * half));
      const std::size_t dword = (base + row.offset) / 4u + half;
      if (row.access == Access::kRw1c) clear_[dword] |= mask;
      if (row.access != Access::kRw) continue;
      if (row.when == When::kAlways) always_[dword] |= mask;
      if (row.when == When::kDeviceDisabled) device_disabled_[dword] |= mask;
      if (row.when == When::kWqDisabled) wq_disabled_[dword] |= mask;
    }
  }
}

void RegisterFile::reset() {
  commit(DeviceEvent::kHardwareReset);
  commit_all(WqEvent::kHardwareReset);
  values_.fill(0);
  set(offset::kVersion, 4, kVersion1);
  set(offset::kGencap, 8, kGencapValue);
  set(offset::kWqcap, 8, kWqcapValue);
  set(offset::kGrpcap, 8, kGrpcapValue);
  set(offset::kEngcap, 8, kEngcapValue);
  set(offset::kOpcap, 8, kOpcapValue);
  set(offset::kOffsets, 8, kOffsetsValue);
  reset_configuration();
}

void RegisterFile::reset_configuration() {
  set(field::kReadBufferLimit, kReadBuffers);
  for (std::uint32_t g = 0; g < kGroupCount; ++g) {
    set(grpcfg::kAllowed, kReadBuffers, group_base(g));
  }
  for (std::uint32_t w = 0; w < kWqCount; ++w) {
    set(wqcfg::kModeSupport, 1, wq_base(w));
    set(static_cast<std::uint16_t>(wq_base(w) + wqcfg::kOperations), 8, kOpcapValue);
  }
}

void RegisterFile::reset_device() {
  commit(DeviceEvent::kStopped);
  commit_all(WqEvent::kStopped);
  const auto clear = [this](std::uint16_t from, std::uint16_t to) {
    std::fill(values_.begin() + from / 4, values_.begin() + to / 4, 0u);
  };
  clear(offset::kGencfg, offset::kCmd);
  clear(kSwerrorEnd, offset::kRegistersEnd);
  reset_configuration();
}

void RegisterFile::reset_wq(std::uint32_t wq) {
  commit(wq, WqEvent::kStopped);
  const std::uint16_t base = wq_base(wq);
  const std::uint64_t size = get(wqcfg::kSize, base);
  std::fill_n(values_.begin() + base / 4, kWqcfgStride / 4, 0u);
  set(wqcfg::kSize, size, base);
  set(wqcfg::kModeSupport, 1, base);
  set(static_cast<std::uint16_t>(base + wqcfg::kOperations), 8, kOpcapValue);
}

std::uint32_t RegisterFile::read(std::uint16_t at) const {
  return at / 4u < kDwords ? values_[at / 4u] : 0;
}

void RegisterFile::write(std::uint16_t at, std::uint32_t value, std::uint32_t enabled) {
  const std::size_t dword = at / 4u;
  if (dword >= kDwords) return;
  std::uint32_t mask = always_[dword];
  if (device_state() == DeviceState::kDisabled) mask |= device_disabled_[dword];
  if (at >= offset::kWqcfg) {
    const auto wq = static_cast<std::uint32_t>((at - offset::kWqcfg) / kWqcfgStride);
    if (wq_state(wq) == WqState::kDisabled) mask |= wq_disabled_[dword];
  }
  mask &= enabled;
  values_[dword] = (values_[dword] & ~mask) | (value & mask);
  values_[dword] &= ~(clear_[dword] & enabled & value);
}

void RegisterFile::set(std::uint16_t at, std::uint8_t bytes, std::uint64_t value) {
  BATON_CHECK(at / 4u + bytes / 4u <= kDwords, "a register outside the file");
  values_[at / 4u] = static_cast<std::uint32_t>(value);
  if (bytes == 8) values_[at / 4u + 1] = static_cast<std::uint32_t>(value >> 32);
}

void RegisterFile::set(const Field& f, std::uint64_t value, std::uint16_t base) {
  const auto at = static_cast<std::uint16_t>(base + f.offset);
  set(at, f.bytes, (get(at, f.bytes) & ~f.mask()) | f.put(value));
}

WqState RegisterFile::wq_state(std::uint32_t wq) const {
  return static_cast<WqState>(get(wqcfg::kState, wq_base(wq)));
}

CommandError RegisterFile::check(DeviceEvent event) const {
  return device_table().at(device_state(), event).refused.value_or(CommandError::kNone);
}

CommandError RegisterFile::check(std::uint32_t wq, WqEvent event) const {
  return wq_table().at(wq_state(wq), event).refused.value_or(CommandError::kNone);
}

// Halt here always asks for more than the Reset Device command.
void RegisterFile::commit(DeviceEvent event) {
  const auto& row = device_table().at(device_state(), event);
  BATON_CHECK(!row.refused, "a DSA does what its table refuses");
  const bool halt = row.next == DeviceState::kHalt;
  set(field::kState, static_cast<std::uint64_t>(row.next));
  set(field::kResetType,
      static_cast<std::uint64_t>(halt ? ResetNeeded::kFunctionLevel : ResetNeeded::kDevice));
}

void RegisterFile::commit(std::uint32_t wq, WqEvent event) {
  const auto& row = wq_table().at(wq_state(wq), event);
  BATON_CHECK(!row.refused, "a work queue does what its table refuses");
  set(wqcfg::kState, static_cast<std::uint64_t>(row.next), wq_base(wq));
}

void RegisterFile::commit_all(WqEvent event) {
  for (std::uint32_t wq = 0; wq < kWqCount; ++wq) commit(wq, event);
}

}  // namespace baton::devices::dsa
