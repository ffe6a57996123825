#include "model/pci/msix.h"

#include <algorithm>
#include <cstring>

#include "sim/check.h"

namespace baton::pci {
namespace {

constexpr std::uint32_t kFunctionMask = 1U << 14;
constexpr std::uint32_t kEnable = 1U << 15;

}  // namespace

Msix::Msix(const ConfigSpace& config, std::uint16_t capability) : capability_(capability) {
  const std::uint32_t control = config.get(static_cast<std::uint16_t>(capability + 2), 2);
  const std::uint32_t table = config.get(static_cast<std::uint16_t>(capability + 4), 4);
  const std::uint32_t pba = config.get(static_cast<std::uint16_t>(capability + 8), 4);
  vectors_ = (control & 0x7FF) + 1;
  table_bar_ = table & 7;
  table_offset_ = table & ~7U;
  pba_bar_ = pba & 7;
  pba_offset_ = pba & ~7U;
  table_.resize(std::size_t{vectors_} * kEntryBytes);
  pba_.resize((vectors_ + 63) / 64 * 8);
  reset();
}

void Msix::reset() {
  std::ranges::fill(table_, std::byte{0});
  std::ranges::fill(pba_, std::byte{0});
  for (unsigned vector = 0; vector < vectors_; ++vector) {
    table_[std::size_t{vector} * kEntryBytes + kVectorControl] = std::byte{1};
  }
}

bool Msix::enabled(const ConfigSpace& config) const {
  return (config.get(static_cast<std::uint16_t>(capability_ + 2), 2) & kEnable) != 0;
}

bool Msix::masked(const ConfigSpace& config, unsigned vector) const {
  if ((config.get(static_cast<std::uint16_t>(capability_ + 2), 2) & kFunctionMask) != 0)
    return true;
  return (table_[std::size_t{vector} * kEntryBytes + kVectorControl] & std::byte{1}) !=
         std::byte{0};
}

bool Msix::pending(unsigned vector) const {
  return (std::to_integer<unsigned>(pba_[vector / 8]) >> (vector % 8) & 1) != 0;
}

void Msix::set_pending(unsigned vector, bool value) {
  const std::byte bit = std::byte{1} << (vector % 8);
  pba_[vector / 8] = value ? pba_[vector / 8] | bit : pba_[vector / 8] & ~bit;
}

Msix::Message Msix::message(unsigned vector) const {
  Message result;
  const std::byte* entry = table_.data() + std::size_t{vector} * kEntryBytes;
  std::memcpy(&result.address, entry, sizeof result.address);
  std::memcpy(&result.data, entry + 8, sizeof result.data);
  return result;
}

std::optional<Msix::Message> Msix::signal(const ConfigSpace& config, unsigned vector) {
  BATON_CHECK(vector < vectors_, "an MSI-X vector outside the table");
  if (!enabled(config)) return std::nullopt;
  if (masked(config, vector)) {
    set_pending(vector, true);
    return std::nullopt;
  }
  return message(vector);
}

std::optional<unsigned> Msix::take_unmasked(const ConfigSpace& config) {
  if (!enabled(config)) return std::nullopt;
  for (unsigned vector = 0; vector < vectors_; ++vector) {
    if (!pending(vector) || masked(config, vector)) continue;
    set_pending(vector, false);
    return vector;
  }
  return std::nullopt;
}

bool Msix::read(unsigned bar, std::uint64_t offset, std::span<std::byte> to) const {
  const auto copy = [&](std::span<const std::byte> from, std::uint64_t base) {
    if (offset < base || offset - base >= from.size()) return false;
    if (to.size() > from.size() - (offset - base)) return false;
    std::ranges::copy(from.subspan(offset - base, to.size()), to.begin());
    return true;
  };
  if (bar == table_bar_ && copy(table_, table_offset_)) return true;
  return bar == pba_bar_ && copy(pba_, pba_offset_);
}

bool Msix::write(unsigned bar, std::uint64_t offset, std::span<const std::byte> from) {
  if (bar == pba_bar_ && offset >= pba_offset_ && offset - pba_offset_ < pba_.size()) {
    return true;  // read only to software
  }
  if (bar != table_bar_ || offset < table_offset_ || offset - table_offset_ >= table_.size() ||
      from.size() > table_.size() - (offset - table_offset_)) {
    return false;
  }
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::size_t at = offset - table_offset_ + i;
    const std::size_t field = at % kEntryBytes;
    std::byte writable{0xFF};
    if (field == 0) writable = std::byte{0xFC};  // address bits 1:0 are zero
    if (field == kVectorControl) writable = std::byte{1};
    if (field > kVectorControl) writable = std::byte{0};
    table_[at] = from[i] & writable;
  }
  return true;
}

}  // namespace baton::pci
