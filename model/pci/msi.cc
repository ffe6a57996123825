#include "model/pci/msi.h"

#include <algorithm>
#include <bit>

namespace baton::pci {
namespace {

// Message Control.
constexpr std::uint32_t kEnable = 1U << 0;
constexpr std::uint32_t kWide = 1U << 7;
constexpr std::uint32_t kPerVectorMask = 1U << 8;
constexpr unsigned kMostAllocated = 5;  // log2; 6 and 7 are reserved

}  // namespace

unsigned Msi::length(std::uint32_t control) {
  const unsigned data = (control & kWide) != 0 ? 0x0C : 0x08;
  return (control & kPerVectorMask) != 0 ? data + 12 : data + 2;
}

std::uint32_t Msi::control(const ConfigSpace& config) const {
  return config.get(static_cast<std::uint16_t>(capability_ + 2), 2);
}

std::uint16_t Msi::data_at(std::uint32_t control) const {
  return static_cast<std::uint16_t>(capability_ + ((control & kWide) != 0 ? 0x0C : 0x08));
}

std::uint16_t Msi::pending_at(std::uint32_t control) const {
  return static_cast<std::uint16_t>(data_at(control) + 8);
}

bool Msi::enabled(const ConfigSpace& config) const { return (control(config) & kEnable) != 0; }

unsigned Msi::vectors(const ConfigSpace& config) const {
  return 1U << std::min(control(config) >> 4 & 7, kMostAllocated);
}

Msi::Message Msi::message(const ConfigSpace& config, unsigned vector) const {
  const std::uint32_t control = this->control(config);
  Message message;
  message.address = config.get(static_cast<std::uint16_t>(capability_ + 4), 4);
  if ((control & kWide) != 0) {
    message.address |= std::uint64_t{config.get(static_cast<std::uint16_t>(capability_ + 8), 4)}
                       << 32;
  }
  const std::uint32_t low = vectors(config) - 1;
  message.data = (config.get(data_at(control), 2) & ~low) | (vector & low);
  return message;
}

std::optional<Msi::Message> Msi::signal(ConfigSpace& config, unsigned vector) const {
  const std::uint32_t control = this->control(config);
  if ((control & kEnable) == 0) return std::nullopt;
  vector &= vectors(config) - 1;
  if ((control & kPerVectorMask) != 0) {
    const auto mask_at = static_cast<std::uint16_t>(data_at(control) + 4);
    if ((config.get(mask_at, 4) >> vector & 1) != 0) {
      const std::uint16_t at = pending_at(control);
      config.set(at, 4, config.get(at, 4) | 1U << vector);
      return std::nullopt;
    }
  }
  return message(config, vector);
}

std::optional<Msi::Message> Msi::take_unmasked(ConfigSpace& config) const {
  const std::uint32_t control = this->control(config);
  if ((control & kEnable) == 0 || (control & kPerVectorMask) == 0) return std::nullopt;
  const std::uint16_t at = pending_at(control);
  const std::uint32_t pending = config.get(at, 4);
  const auto mask_at = static_cast<std::uint16_t>(data_at(control) + 4);
  const std::uint32_t ready = pending & ~config.get(mask_at, 4);
  if (ready == 0) return std::nullopt;
  const auto vector = static_cast<unsigned>(std::countr_zero(ready));
  config.set(at, 4, pending & ~(1U << vector));
  return message(config, vector);
}

}  // namespace baton::pci
