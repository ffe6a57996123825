// The machine without its kernels: RAM, fabric, remapping units, the paths of requests between
// them, and what firmware does. Private to model/host.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/host/config_access.h"
#include "model/host/firmware.h"
#include "model/host/interrupts.h"
#include "model/host/machine.h"
#include "model/host/observations.h"
#include "model/iommu_vtd/remapping_unit.h"
#include "model/pci/fabric.h"
#include "sim/memory.h"
#include "sim/simulation.h"

namespace baton::host {

// The way of a remapping unit to the functions of its segment.
class DeviceTlbMessages final : public iommu_vtd::DeviceTlbPort {
 public:
  DeviceTlbMessages(pci::Fabric& fabric, std::uint32_t segment)
      : fabric_(fabric), segment_(segment) {}

  std::optional<sim::Duration> distance(Bdf function) override;
  bool invalidate(Bdf function, const pci::AtsInvalidation& invalidation) override;
  void respond(Bdf function, const pci::PageResponse& response) override;
  void set_segment(std::uint32_t segment) { segment_ = segment; }

 private:
  pci::Fabric& fabric_;
  std::uint32_t segment_;
};

class Platform {
 public:
  Platform(sim::Simulation& simulation, pci::RootComplex& root_complex,
           const MachineConfig& config);

  const MachineConfig& config() const { return config_; }
  sim::PhysicalMemory& memory() { return memory_; }
  pci::Fabric& fabric() { return fabric_; }
  Interrupts& interrupts() { return interrupts_; }
  const MemoryMap& memory_map() const { return map_; }
  std::span<const std::unique_ptr<iommu_vtd::RemappingUnit>> units() const { return units_; }
  // That of the root bus whose host bridge owns the requester's bus number, else of the segment.
  iommu_vtd::RemappingUnit* unit_of(std::uint32_t segment, Bdf requester);
  std::vector<ReservedRegionInfo> reserved_regions() const;

  std::expected<void, std::string> finish_firmware();
  bool firmware_finished() const { return firmware_finished_; }
  // Platform reset: devices and units as after power-on, then firmware again; memory is lost to
  // the generation that boots next.
  void reset(unsigned next_generation);
  void swap_segments(std::uint32_t one, std::uint32_t other);

  // A request of a function at the root complex.
  pci::Completion request(const pci::MemoryRequest& request, std::span<std::byte> data);
  void page_request(const pci::PageRequest& request);
  // Uncached CPU accesses.
  std::uint64_t cpu_read(PhysAddr address, unsigned width);
  void cpu_write(PhysAddr address, unsigned width, std::uint64_t value);
  ConfigPorts& config_ports() { return config_ports_; }

 private:
  struct UnitPlace {
    std::uint32_t segment;
    const pci::Bus* root_bus;  // null: whatever no other unit takes

    bool is_for(std::uint32_t other_segment, Bdf requester) const;
  };
  void add_unit(UnitPlace place);
  std::expected<void, std::string> add_units();
  std::expected<void, std::string> check_reserved_regions() const;
  void find_dram();
  bool is_dram(PhysAddr address) const;
  FirmwareInfo firmware_info() const;

  pci::Completion translation_completion(const iommu_vtd::Translation& translation,
                                         std::span<std::byte> data);
  pci::Completion interrupt_request(const pci::MemoryRequest& request,
                                    std::span<const std::byte> data);
  pci::Completion host_access(const pci::MemoryRequest& request, PhysAddr address,
                              std::span<std::byte> data, sim::Duration latency);
  pci::Completion translated_access(iommu_vtd::RemappingUnit& unit,
                                    const pci::MemoryRequest& request,
                                    const iommu_vtd::Translation& translation,
                                    std::span<std::byte> data);
  pci::Completion peer_access(const pci::MemoryRequest& request, PhysAddr address,
                              std::span<std::byte> data, sim::Duration latency);
  std::optional<std::pair<Sbdf, std::uint16_t>> ecam_target(PhysAddr address) const;
  iommu_vtd::RemappingUnit* unit_at(PhysAddr address);

  sim::Simulation& simulation_;
  MachineConfig config_;
  sim::Topic<UnitRegisterWritten>& register_writes_;
  sim::PhysicalMemory memory_;
  pci::Fabric fabric_;
  ConfigPorts config_ports_{fabric_};
  Interrupts interrupts_;
  MemoryMap map_;
  std::vector<std::unique_ptr<DeviceTlbMessages>> device_tlbs_;
  std::vector<std::unique_ptr<iommu_vtd::RemappingUnit>> units_;
  std::vector<UnitPlace> places_;  // of units_
  std::vector<sim::PhysRange> dram_;
  bool firmware_finished_ = false;
};

}  // namespace baton::host
