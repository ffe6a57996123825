// What the guest can touch, over what its VMM has mapped: guest memory is one area of the memfd,
// which the guest sees in two pieces where it is large (guest_layout.h); each BAR is an area of the
// VFIO device.
//
// An access that the host refuses with SIGBUS (a revoked BAR) reads as all ones and writes nothing,
// instead of killing the VMM.
#pragma once

#include <array>
#include <string_view>

#include "model/linux/base/process.h"
#include "model/vmm/guest_cpu.h"
#include "model/vmm/observations.h"
#include "sim/simulation.h"

namespace baton::vmm {

class MappedCpu final : public GuestCpu {
 public:
  // `vm` outlives it.
  MappedCpu(sim::Simulation& simulation, linux::Process& process, std::string_view vm)
      : simulation_(simulation),
        process_(process),
        vm_(vm),
        accessed_(simulation.topic<GuestAccess>()) {}

  // Guest memory, `bytes` in all.
  void set_memory(UserAddr start, std::uint64_t bytes);
  // BAR `index` (0..5) appears at a guest address.
  void set_bar(unsigned index, GuestAddr guest, UserAddr start, std::uint64_t bytes);

  // Where the process has what the guest sees at an address of a BAR; 0 for nothing.
  UserAddr device_address(GuestAddr address, unsigned width) const;

  bool read(GuestAddr address, std::span<std::byte> to) override;
  bool write(GuestAddr address, std::span<const std::byte> from) override;
  std::uint64_t mmio_read(GuestAddr address, unsigned width) override;
  void mmio_write(GuestAddr address, unsigned width, std::uint64_t value) override;
  void mmio_write_64bytes(GuestAddr address, std::span<const std::byte> bytes) override;
  sim::Time now() const override { return simulation_.now(); }

 private:
  struct Window {
    GuestAddr guest;
    UserAddr start;
    std::uint64_t bytes = 0;
  };

  void tell(GuestAddr address, bool write, std::span<const std::byte> data) const;
  // 0: not all of it is guest memory.
  UserAddr memory_address(GuestAddr address, std::size_t bytes) const;

  sim::Simulation& simulation_;
  linux::Process& process_;
  std::string_view vm_;
  const sim::Topic<GuestAccess>& accessed_;
  std::array<Window, 2> memory_;
  std::array<Window, 6> bars_;
};

}  // namespace baton::vmm
