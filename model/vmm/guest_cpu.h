// What a guest program can touch: its memory, its device's BARs, its clock. Nothing else exists for
// it; the VMM implements this over the memory and the BARs it has mapped.
//
// The state of a guest is bytes: guest memory, and a VcpuRegisters record. Both live in the VMM's
// preserved memfd over a kexec; the next VMM builds the guest from them. So there is no interrupt
// queue here: a virtual interrupt is a bit in the record (inject()), as in a virtual APIC's IRR,
// and two interrupts of one vector that nobody took yet are one.
//
// Not modelled: instructions, more than one vCPU, privilege levels, guest page tables.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "sim/address.h"
#include "sim/time.h"

namespace baton::vmm {

// The vCPU record. Little endian, no padding; the VMM copies it as it is.
struct VcpuRegisters {
  static constexpr std::uint64_t kMagic = 0x0055504356544142;  // "BATVCPU\0"
  static constexpr std::uint32_t kVersion = 1;

  std::uint64_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t bytes = 168;             // sizeof, so that a reader can refuse another layout
  std::uint64_t pc = 0;                  // which routine of the guest program runs next; 0: boot
  std::uint64_t pending_vectors = 0;     // bit n: virtual vector n is pending
  std::uint64_t last_step_ps = 0;        // guest clock at the end of the last step
  std::array<std::uint64_t, 16> r = {};  // meaning by routine, see guest_program.cc

  bool valid() const { return magic == kMagic && version == kVersion && bytes == 168; }
};
static_assert(sizeof(VcpuRegisters) == 168);
static_assert(std::is_trivially_copyable_v<VcpuRegisters>);
static_assert(std::has_unique_object_representations_v<VcpuRegisters>);

// Makes a virtual interrupt pending. Vectors 1..63; the DSA's MSI-X entry n is virtual vector n.
inline void inject(VcpuRegisters& registers, unsigned vector) {
  registers.pending_vectors |= std::uint64_t{1} << vector;
}

class GuestCpu {
 public:
  virtual ~GuestCpu() = default;

  // Guest memory; false if any byte lies outside of it (then nothing was done).
  virtual bool read(GuestAddr address, std::span<std::byte> to) = 0;
  virtual bool write(GuestAddr address, std::span<const std::byte> from) = 0;

  // Device registers, width 4 or 8, naturally aligned. A read of nobody returns all ones.
  virtual std::uint64_t mmio_read(GuestAddr address, unsigned width) = 0;
  virtual void mmio_write(GuestAddr address, unsigned width, std::uint64_t value) = 0;
  // MOVDIR64B: one 64-byte posted write to a 64-byte aligned address.
  virtual void mmio_write_64bytes(GuestAddr address, std::span<const std::byte> bytes) = 0;

  // The guest's clock (an invariant TSC): it goes on while the guest does not run.
  virtual sim::Time now() const = 0;
};

}  // namespace baton::vmm
