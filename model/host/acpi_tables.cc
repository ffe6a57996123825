// The bytes of the ACPI tables [ACPI 6.5: 5.2.5 RSDP, 5.2.6 header, 5.2.8 XSDT; VT-d 8.1 DMAR, 8.3
// DRHD, 8.4 RMRR; PCI Firmware 3.3, table 4-2 MCFG].
#include <cstddef>
#include <string_view>

#include "model/host/firmware.h"
#include "sim/check.h"

namespace baton::host {

namespace {

// Little-endian bytes, appended.
class Bytes {
 public:
  Bytes& text(std::string_view characters) {
    for (const char c : characters) {
      bytes_.push_back(static_cast<std::byte>(c));
    }
    return *this;
  }
  Bytes& number(std::uint64_t value, unsigned width) {
    for (unsigned i = 0; i < width; ++i) {
      bytes_.push_back(static_cast<std::byte>(value >> (8 * i) & 0xFF));
    }
    return *this;
  }
  void patch(std::size_t offset, std::uint64_t value, unsigned width) {
    for (unsigned i = 0; i < width; ++i) {
      bytes_[offset + i] = static_cast<std::byte>(value >> (8 * i) & 0xFF);
    }
  }
  // The byte that makes the sum of the first `count` bytes zero goes to `offset`.
  void checksum(std::size_t offset, std::size_t count) {
    patch(offset, 0, 1);
    unsigned sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      sum += std::to_integer<unsigned>(bytes_[i]);
    }
    patch(offset, 0x100 - (sum & 0xFF), 1);
  }
  std::size_t size() const { return bytes_.size(); }
  std::span<const std::byte> span() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

constexpr std::string_view kOemId = "BATON ";
constexpr std::string_view kOemTableId = "BATONSIM";

Bytes table(std::string_view signature, unsigned revision) {
  Bytes bytes;
  bytes.text(signature).number(0, 4).number(revision, 1).number(0, 1);
  bytes.text(kOemId).text(kOemTableId).number(1, 4).text("BATN").number(1, 4);
  return bytes;
}

void close(Bytes& bytes) {
  bytes.patch(4, bytes.size(), 4);
  bytes.checksum(9, bytes.size());
}

// Each starts on the function's own bus [VT-d 8.3.1].
constexpr std::size_t kScopeBytes = 8;
void add_scopes(Bytes& bytes, const std::vector<DeviceScopeInfo>& scopes) {
  constexpr unsigned kEndpoint = 1;
  constexpr unsigned kBridge = 2;
  for (const DeviceScopeInfo& scope : scopes) {
    bytes.number(scope.bridge ? kBridge : kEndpoint, 1).number(kScopeBytes, 1).number(0, 3);
    bytes.number(scope.function.bus(), 1).number(scope.function.device(), 1);
    bytes.number(scope.function.function(), 1);
  }
}

Bytes dmar(const FirmwareInfo& info) {
  constexpr unsigned kFlagInterruptRemapping = 1;
  constexpr unsigned kDrhd = 0;
  constexpr unsigned kRmrr = 1;
  constexpr unsigned kIncludePciAll = 1;
  Bytes bytes = table("DMAR", 1);
  bytes.number(info.host_address_width - 1, 1);
  bytes.number(info.interrupt_remapping ? kFlagInterruptRemapping : 0, 1).number(0, 8).number(0, 2);
  for (const RemappingUnitInfo& unit : info.units) {
    const std::vector<DeviceScopeInfo> scopes =
        unit.scopes.value_or(std::vector<DeviceScopeInfo>{});
    bytes.number(kDrhd, 2).number(16 + kScopeBytes * scopes.size(), 2);
    bytes.number(unit.scopes ? 0 : kIncludePciAll, 1).number(0, 1);
    bytes.number(unit.segment, 2).number(unit.base.value(), 8);
    add_scopes(bytes, scopes);
  }
  for (const ReservedRegionInfo& region : info.reserved_regions) {
    bytes.number(kRmrr, 2).number(24 + kScopeBytes * region.scopes.size(), 2).number(0, 2);
    bytes.number(region.segment, 2).number(region.range.start.value(), 8);
    bytes.number(region.range.end().value() - 1, 8);
    add_scopes(bytes, region.scopes);
  }
  close(bytes);
  return bytes;
}

Bytes mcfg(const FirmwareInfo& info) {
  Bytes bytes = table("MCFG", 1);
  bytes.number(0, 8);
  for (const HostBridgeInfo& bridge : info.host_bridges) {
    bytes.number(bridge.ecam_base.value(), 8).number(bridge.segment, 2);
    bytes.number(bridge.first_bus, 1).number(bridge.last_bus, 1).number(0, 4);
  }
  close(bytes);
  return bytes;
}

Bytes rsdp(PhysAddr xsdt) {
  constexpr unsigned kRevision = 2;
  Bytes bytes;
  bytes.text("RSD PTR ").number(0, 1).text(kOemId).number(kRevision, 1).number(0, 4);
  bytes.number(36, 4).number(xsdt.value(), 8).number(0, 4);
  bytes.checksum(8, 20);
  bytes.checksum(32, 36);
  return bytes;
}

}  // namespace

void write_acpi_tables(sim::PhysicalMemory& memory, const MemoryMap& map,
                       const FirmwareInfo& info) {
  constexpr std::uint64_t kAlignment = 64;
  constexpr std::uint64_t kXsdtOffset = 0x100;
  constexpr std::uint64_t kTablesOffset = 0x1000;
  std::vector<Bytes> tables;
  if (!info.units.empty()) {
    tables.push_back(dmar(info));
  }
  tables.push_back(mcfg(info));

  Bytes xsdt = table("XSDT", 1);
  PhysAddr next = map.rsdp + kTablesOffset;
  for (const Bytes& bytes : tables) {
    BATON_CHECK(next + bytes.size() < map.rsdp + 0x10'0000, "the ACPI tables fill their range");
    memory.write(next, bytes.span());
    xsdt.number(next.value(), 8);
    next = next + (bytes.size() + kAlignment - 1) / kAlignment * kAlignment;
  }
  close(xsdt);
  memory.write(map.rsdp + kXsdtOffset, xsdt.span());
  memory.write(map.rsdp, rsdp(map.rsdp + kXsdtOffset).span());
}

}  // namespace baton::host
