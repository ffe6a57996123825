#include "model/host/config_access.h"

#include <algorithm>

namespace baton::host {
namespace {

constexpr std::uint32_t kEnable = 1U << 31;
constexpr unsigned kFunctionBytes = 4096;

// The naturally aligned part of at most a dword with which an access goes on.
unsigned part_at(unsigned offset, unsigned left) {
  const unsigned aligned = (offset & 1) != 0 ? 1 : (offset & 2) != 0 ? 2 : 4;
  unsigned part = aligned;
  while (part > left) part /= 2;
  return part;
}

}  // namespace

std::uint64_t read_config(pci::Fabric& fabric, Sbdf address, std::uint16_t offset, unsigned bytes) {
  std::uint64_t value = 0;
  for (unsigned done = 0; done < bytes;) {
    const unsigned at = offset + done;
    const unsigned part = part_at(at, bytes - done);
    std::uint64_t piece = (std::uint64_t{1} << (8 * part)) - 1;
    if (at < kFunctionBytes) {
      piece = fabric.config_read(address, static_cast<std::uint16_t>(at), part);
    }
    value |= piece << (8 * done);
    done += part;
  }
  return value;
}

void write_config(pci::Fabric& fabric, Sbdf address, std::uint16_t offset, unsigned bytes,
                  std::uint64_t value) {
  for (unsigned done = 0; done < bytes;) {
    const unsigned at = offset + done;
    const unsigned part = part_at(at, bytes - done);
    if (at >= kFunctionBytes) return;
    const std::uint64_t mask = (std::uint64_t{1} << (8 * part)) - 1;
    fabric.config_write(address, static_cast<std::uint16_t>(at), part,
                        static_cast<std::uint32_t>(value >> (8 * done) & mask));
    done += part;
  }
}

// Each part lies in the data port's dword or beyond it, where no port is.
std::uint32_t ConfigPorts::read(std::uint16_t port, unsigned width) {
  if (port == kAddress && width == 4) return selected_;
  std::uint32_t value = width == 4 ? ~0U : (1U << (8 * width)) - 1;
  if (port < kData || port >= kData + 4 || (selected_ & kEnable) == 0) return value;
  const unsigned inside = std::min(width, kData + 4U - port);
  const Sbdf address{0, Bdf(static_cast<std::uint16_t>(selected_ >> 8))};
  const auto offset = static_cast<std::uint16_t>((selected_ & 0xFC) + (port & 3U));
  const std::uint64_t read = read_config(fabric_, address, offset, inside);
  if (inside == 4) return static_cast<std::uint32_t>(read);
  const std::uint32_t mask = (1U << (8 * inside)) - 1;
  return (value & ~mask) | static_cast<std::uint32_t>(read);
}

void ConfigPorts::write(std::uint16_t port, unsigned width, std::uint32_t value) {
  if (port == kAddress && width == 4) {
    selected_ = value & 0x80FFFFFC;
    return;
  }
  if (port < kData || port >= kData + 4 || (selected_ & kEnable) == 0) return;
  const unsigned inside = std::min(width, kData + 4U - port);
  const Sbdf address{0, Bdf(static_cast<std::uint16_t>(selected_ >> 8))};
  write_config(fabric_, address, static_cast<std::uint16_t>((selected_ & 0xFC) + (port & 3U)),
               inside, value);
}

}  // namespace baton::host
