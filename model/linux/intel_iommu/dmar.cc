#include "model/linux/intel_iommu/dmar.h"

#include <cstring>
#include <span>

namespace baton::linux::intel_iommu {

namespace {

constexpr std::uint32_t kHeaderBytes = 36;
constexpr std::uint32_t kTableBytesMax = 1U << 20;

template <class T>
T value_at(std::span<const std::byte> bytes, std::size_t offset) {
  T value{};
  if (offset + sizeof value <= bytes.size()) {
    std::memcpy(&value, bytes.data() + offset, sizeof value);
  }
  return value;
}

std::vector<std::byte> read_table(sim::PhysicalMemory& ram, PhysAddr at) {
  std::vector<std::byte> bytes(kHeaderBytes);
  if (!ram.contains(at, kHeaderBytes)) {
    return {};
  }
  ram.read(at, bytes);
  const auto length = value_at<std::uint32_t>(bytes, 4);
  if (length < kHeaderBytes || length > kTableBytesMax || !ram.contains(at, length)) {
    return {};
  }
  bytes.resize(length);
  ram.read(at, bytes);
  return bytes;
}

std::vector<std::byte> find_dmar(host::KernelPort& port) {
  sim::PhysicalMemory& ram = port.ram();
  const PhysAddr rsdp = port.memory_map().rsdp;
  std::array<std::byte, 36> root{};
  if (!ram.contains(rsdp, root.size())) {
    return {};
  }
  ram.read(rsdp, root);
  if (std::memcmp(root.data(), "RSD PTR ", 8) != 0) {
    return {};
  }
  const std::vector<std::byte> xsdt = read_table(ram, PhysAddr(value_at<std::uint64_t>(root, 24)));
  for (std::size_t offset = kHeaderBytes; offset + 8 <= xsdt.size(); offset += 8) {
    std::vector<std::byte> table = read_table(ram, PhysAddr(value_at<std::uint64_t>(xsdt, offset)));
    if (!table.empty() && std::memcmp(table.data(), "DMAR", 4) == 0) {
      return table;
    }
  }
  return {};
}

// Follows the path from the start bus, over the secondary bus number of each bridge on it.
DeviceScope resolve(host::KernelPort& port, std::uint16_t segment, std::span<const std::byte> scope,
                    bool bridge) {
  constexpr std::uint16_t kSecondaryBus = 0x19;
  unsigned bus = value_at<std::uint8_t>(scope, 5);
  for (std::size_t offset = 6;; offset += 2) {
    const unsigned device = value_at<std::uint8_t>(scope, offset) & 0x1F;
    const unsigned function = value_at<std::uint8_t>(scope, offset + 1) & 7;
    const Sbdf address{segment, Bdf(bus, device, function)};
    if (offset + 4 > scope.size()) {
      return {address, bridge};
    }
    bus = port.config_read(address, kSecondaryBus, 1, "dmar_insert_dev_scope");
  }
}

// dmar_parse_dev_scope(): from `offset` to the end of the structure.
std::vector<DeviceScope> parse_scopes(host::KernelPort& port, std::uint16_t segment,
                                      std::span<const std::byte> structure, std::size_t offset) {
  constexpr std::uint8_t kEndpoint = 1;
  constexpr std::uint8_t kBridge = 2;
  std::vector<DeviceScope> scopes;
  while (offset + 8 <= structure.size()) {
    const auto type = value_at<std::uint8_t>(structure, offset);
    const std::size_t length = value_at<std::uint8_t>(structure, offset + 1);
    if (length < 8 || offset + length > structure.size()) {
      break;
    }
    if (type == kEndpoint || type == kBridge) {
      scopes.push_back(resolve(port, segment, structure.subspan(offset, length), type == kBridge));
    }
    offset += length;
  }
  return scopes;
}

DrhdUnit parse_drhd(host::KernelPort& port, std::span<const std::byte> structure) {
  constexpr std::size_t kScopes = 16;
  DrhdUnit unit;
  unit.include_pci_all = (value_at<std::uint8_t>(structure, 4) & 1) != 0;
  unit.segment = value_at<std::uint16_t>(structure, 6);
  unit.registers = PhysAddr(value_at<std::uint64_t>(structure, 8));
  unit.scopes = parse_scopes(port, unit.segment, structure, kScopes);
  return unit;
}

ReservedRegion parse_rmrr(host::KernelPort& port, std::span<const std::byte> structure) {
  constexpr std::size_t kScopes = 24;
  ReservedRegion region;
  region.segment = value_at<std::uint16_t>(structure, 6);
  region.first = PhysAddr(value_at<std::uint64_t>(structure, 8));
  region.last = PhysAddr(value_at<std::uint64_t>(structure, 16));
  region.scopes = parse_scopes(port, region.segment, structure, kScopes);
  return region;
}

}  // namespace

DmarTable parse_dmar(host::KernelPort& port) {
  constexpr std::size_t kStructures = 48;
  constexpr std::uint16_t kDrhd = 0;
  constexpr std::uint16_t kRmrr = 1;
  constexpr std::size_t kDrhdBytes = 16;
  constexpr std::size_t kRmrrBytes = 24;
  DmarTable result;
  const std::vector<std::byte> table = find_dmar(port);
  const std::span<const std::byte> bytes(table);
  if (bytes.size() < kStructures) {
    return result;
  }
  result.host_address_width = value_at<std::uint8_t>(bytes, 36) + 1U;
  result.interrupt_remapping = (value_at<std::uint8_t>(bytes, 37) & 1) != 0;
  for (std::size_t offset = kStructures; offset + 4 <= bytes.size();) {
    const auto type = value_at<std::uint16_t>(bytes, offset);
    const std::size_t length = value_at<std::uint16_t>(bytes, offset + 2);
    if (length < 4 || offset + length > bytes.size()) {
      break;
    }
    if (type == kDrhd && length >= kDrhdBytes) {
      result.units.push_back(parse_drhd(port, bytes.subspan(offset, length)));
    } else if (type == kRmrr && length >= kRmrrBytes) {
      result.reserved.push_back(parse_rmrr(port, bytes.subspan(offset, length)));
    }
    offset += length;
  }
  return result;
}

}  // namespace baton::linux::intel_iommu
