#include "model/devices/nvme/registers.h"

namespace baton::devices::nvme {
namespace {

// Bits of a dword that software writes, from the rows.
constexpr std::uint32_t writable(std::uint32_t at) {
  std::uint32_t mask = 0;
  for (const pci::Field& row : detail::kRows) {
    if (row.offset == at && row.access == pci::Access::kRw) mask |= row.mask();
  }
  return mask;
}

constexpr std::uint64_t wide(std::uint32_t low, std::uint32_t high) {
  return std::uint64_t{high} << 32 | low;
}

}  // namespace

void Registers::reset() {
  words_.fill(0);
  // Queues are contiguous; round robin; no subsystem reset; NVM command set; pages of 4 KiB only.
  words_[offset::kCap / 4] = put(detail::find("CAP", "MQES"), kQueueEntriesMax - 1) |
                             put(detail::find("CAP", "CQR"), 1) |
                             put(detail::find("CAP", "TO"), kTimeoutUnits);
  words_[offset::kCap / 4 + 1] = put(detail::find("CAP", "CSS"), 1);
  words_[offset::kVs / 4] = kVersion;
  if (buffer_units_ == 0) return;
  words_[offset::kCmbloc / 4] = put(detail::find("CMBLOC", "BIR"), buffer_bar_);
  words_[offset::kCmbsz / 4] = put(detail::find("CMBSZ", "SZ"), buffer_units_);
}

void Registers::reset_controller() { words_[offset::kCsts / 4] = 0; }

std::uint32_t Registers::read(std::uint32_t at) const {
  return at < offset::kEnd ? words_[at / 4] : 0;
}

void Registers::write(std::uint32_t at, std::uint32_t value) {
  if (at >= offset::kEnd) return;
  const std::uint32_t mask = writable(at);
  words_[at / 4] = (words_[at / 4] & ~mask) | (value & mask);
}

void Registers::set(const pci::Field& row, std::uint32_t value) {
  std::uint32_t& word = words_[row.offset / 4U];
  word = (word & ~row.mask()) | put(row, value);
}

std::uint64_t Registers::admin_submission_base() const {
  return wide(words_[offset::kAsq / 4], words_[offset::kAsq / 4 + 1]);
}

std::uint64_t Registers::admin_completion_base() const {
  return wide(words_[offset::kAcq / 4], words_[offset::kAcq / 4 + 1]);
}

std::span<const pci::Field> register_rows() { return detail::kRows; }

}  // namespace baton::devices::nvme
