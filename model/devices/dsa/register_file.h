// Storage of the registers below offset::kRegistersEnd: what software reads, which bits its writes
// reach in which state, what each reset leaves [DSA 341204, chapter 9; reset columns of its
// tables]. Writes with an effect (CMD) are the device's business; the file stores and masks. The
// states of device and queues are fields of it, which only the rows of their tables change.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "model/devices/dsa/registers.h"
#include "model/devices/dsa/state_machine.h"
#include "sim/check.h"

namespace baton::devices::dsa {

class RegisterFile {
 public:
  RegisterFile();

  // Power-on, warm reset and function level reset.
  void reset();
  // The end of the Reset Device command: CMD, CMDSTATUS and SWERROR are kept.
  void reset_device();
  // The end of the Reset WQ command: everything but the size.
  void reset_wq(std::uint32_t wq);

  // Software, one naturally aligned dword. Bits outside `enabled` are not written (narrow stores).
  std::uint32_t read(std::uint16_t at) const;
  void write(std::uint16_t at, std::uint32_t value, std::uint32_t enabled);

  // Hardware: whole registers and fields of them. In line, for a descriptor asks for about twenty
  // fields, of which the compiler knows place, width and mask (docs/performance.md).
  std::uint64_t get(std::uint16_t at, std::uint8_t bytes) const {
    BATON_CHECK(at / 4u + bytes / 4u <= kDwords, "a register outside the file");
    std::uint64_t value = values_[at / 4u];
    if (bytes == 8) value |= std::uint64_t{values_[at / 4u + 1]} << 32;
    return value;
  }
  void set(std::uint16_t at, std::uint8_t bytes, std::uint64_t value);
  std::uint64_t get(const Field& f, std::uint16_t base = 0) const {
    return f.get(get(static_cast<std::uint16_t>(base + f.offset), f.bytes));
  }
  void set(const Field& f, std::uint64_t value, std::uint16_t base = 0);

  DeviceState device_state() const { return static_cast<DeviceState>(get(field::kState)); }
  WqState wq_state(std::uint32_t wq) const;
  // What an event would be answered, kNone when it would happen; no change.
  CommandError check(DeviceEvent event) const;
  CommandError check(std::uint32_t wq, WqEvent event) const;
  // An event that has come about: check() allowed it, or nobody can refuse it.
  void commit(DeviceEvent event);
  void commit(std::uint32_t wq, WqEvent event);

  static constexpr std::uint16_t wq_base(std::uint32_t wq) {
    return static_cast<std::uint16_t>(offset::kWqcfg + wq * kWqcfgStride);
  }
  static constexpr std::uint16_t group_base(std::uint32_t group) {
    return static_cast<std::uint16_t>(offset::kGrpcfg + group * kGrpcfgStride);
  }
  static constexpr std::uint16_t msixperm_base(std::uint32_t vector) {
    return static_cast<std::uint16_t>(offset::kMsixperm + vector * kMsixpermStride);
  }
  std::uint64_t wq(const Field& f, std::uint32_t wq) const { return get(f, wq_base(wq)); }
  std::uint64_t group(const Field& f, std::uint32_t group) const {
    return get(f, group_base(group));
  }

 private:
  static constexpr std::size_t kDwords = offset::kRegistersEnd / 4;
  using Masks = std::array<std::uint32_t, kDwords>;

  void adopt(std::span<const Field> rows, std::uint16_t base);
  void commit_all(WqEvent event);
  void reset_configuration();

  std::array<std::uint32_t, kDwords> values_{};
  Masks always_{};           // writable in every state
  Masks device_disabled_{};  // writable while the device is Disabled
  Masks wq_disabled_{};      // writable while the work queue is Disabled
  Masks clear_{};            // written 1 clears
};

}  // namespace baton::devices::dsa
