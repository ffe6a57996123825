// A Volume Management Device: an endpoint that hides root ports behind itself [linux
// drivers/pci/controller/vmd.c; ids and BAR roles of 8086:28c0].
//
//   BAR 0  CFGBAR: configuration space of buses 0 to 31 of a domain of its own, 1 MiB for each bus,
//          laid out as ECAM is
//   BAR 2  MEMBAR1, BAR 4 MEMBAR2: memory of the functions below
//
// Firmware leaves the domain without bus numbers and addresses. Requests from below leave with the
// requester id of the VMD.
//
// Not modelled: memory of the functions below (both MEMBARs read as zero, so the functions can be
// enumerated and send, and their registers cannot be reached), the VMD's own interrupts and its
// remapping of MSI, VMCAP and VMCONFIG (bus restrictions), the shadow registers, legacy hot plug.
#pragma once

#include <memory>

#include "model/pci/fabric.h"

namespace baton::devices::vmd {

inline constexpr std::uint8_t kLastBus = 31;
inline constexpr unsigned kRootPorts = 4;

class Vmd final : public pci::Function {
 public:
  Vmd(sim::Simulation& simulation, const std::string& name);

  // After it has a place in the fabric: makes its domain, with empty root ports 00.0 to 03.0.
  void add_domain(pci::Fabric& fabric);
  pci::Bus& domain() { return *domain_; }

 protected:
  void memory_read(pci::BarHit hit, std::span<std::byte> to) override;
  void memory_write(pci::BarHit hit, std::span<const std::byte> from) override;

 private:
  std::optional<Sbdf> target(pci::BarHit hit, std::size_t width) const;

  pci::Fabric* owner_fabric_ = nullptr;
  pci::Bus* domain_ = nullptr;
};

}  // namespace baton::devices::vmd
