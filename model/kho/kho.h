// Kexec HandOver, generation kho-v4 [linux kernel/liveupdate/kexec_handover.c, v7.2].
//
// Old kernel: tracks preserved blocks in a radix tree of pages and names blobs in the root FDT. New
// kernel: reserves what the tree says before any other page becomes free, and gives blocks back to
// their owners. All state that crosses is bytes in simulated RAM.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "model/host/handoff.h"
#include "model/linux/base/kernel_services.h"
#include "sim/memory.h"

namespace baton::kho {

// struct kho_vmalloc, 16 bytes [linux include/linux/kho/abi/kexec_handover.h].
struct VmallocDescriptor {
  PhysAddr first_chunk;
  std::uint32_t total_pages = 0;
  std::uint16_t flags = 0;
  std::uint16_t order = 0;
};

// What a setup_data entry of type SETUP_KEXEC_KHO carries.
struct KhoData {
  PhysAddr fdt;
  std::uint64_t fdt_size = 0;
  PhysAddr scratch;
  std::uint64_t scratch_size = 0;
};

// Before the kernel exists: reads the setup_data chain and, when it names a usable KHO, the scratch
// areas. These are the boot ranges of the page allocator. nullopt: plain boot.
struct Handover {
  KhoData data;
  std::vector<sim::PhysRange> areas;  // as the scratch table has them, empty ones included
  // The same memory, sorted and disjoint, and what kho_extend_scratch() adds: boot ranges.
  std::vector<sim::PhysRange> scratch;
};
std::optional<Handover> populate(host::KernelPort& port, const host::BootHandoff& handoff);

// What the walk of the preserved-memory map costs per block [measured by its author on a VM of 12
// CPUs: 21769 us for 526386 blocks].
inline constexpr sim::Duration kWalkPerBlock = sim::Duration::nanoseconds(41);

class Kho {
 public:
  // `handover` is what populate() found. On a boot without one, scratch areas are chosen here (by
  // kho_scratch= of the command line) unless kho=off.
  Kho(linux::KernelServices& services, const host::BootHandoff& handoff,
      std::optional<Handover> handover);
  ~Kho();

  // kho_memory_init(): reserves and stamps every preserved block (KHO boot) or reserves scratch
  // (cold boot). To be called before PageAllocator::release_all().
  // Returns how many blocks it walked: each costs kWalkPerBlock of boot time.
  std::uint64_t memory_init();
  // kho_init() [fs_initcall]: outgoing tree, root FDT, kexec-metadata.
  linux::Result<> init();

  bool enabled() const;
  bool is_kho_boot() const;
  // Lowmem, global, node; the order in which an image looks for a place.
  const std::vector<sim::PhysRange>& scratch() const;
  // From kexec-metadata: kernels since the cold boot.
  std::uint32_t kexec_count() const;

  // Old kernel [luo-kho facts 2.7]. Errors: EINVAL, ENOMEM.
  linux::Result<> preserve_folio(PhysAddr folio, unsigned order);
  void unpreserve_folio(PhysAddr folio, unsigned order);
  linux::Result<> preserve_pages(PhysAddr first, std::uint64_t count);
  void unpreserve_pages(PhysAddr first, std::uint64_t count);
  // `pages` are the 4 KiB pages of a vmalloc area, in order.
  linux::Result<VmallocDescriptor> preserve_vmalloc(std::span<const PhysAddr> pages);
  void unpreserve_vmalloc(const VmallocDescriptor& descriptor);
  // A zeroed, preserved block of get_order(size).
  linux::Result<PhysAddr> alloc_preserve(std::uint64_t size, const char* owner);
  void unpreserve_free(PhysAddr memory);

  linux::Result<> add_subtree(std::string_view name, PhysAddr blob, std::uint64_t size);
  void remove_subtree(PhysAddr blob);
  struct Blob {
    PhysAddr address;
    std::uint64_t size = 0;
  };
  linux::Result<Blob> retrieve_subtree(std::string_view name);  // ENOENT, EINVAL

  // New kernel [2.8]. nullopt / error when the stamp is missing.
  std::optional<unsigned> restore_folio(PhysAddr address);  // its order
  bool restore_pages(PhysAddr first, std::uint64_t count);
  std::optional<std::vector<PhysAddr>> restore_vmalloc(const VmallocDescriptor& descriptor);
  void restore_free(PhysAddr address);

  // kexec_file_load: places segments in scratch, writes the setup_data entry. `bytes`: what kernel
  // and initrd take [assumed]. EADDRNOTAVAIL.
  static constexpr std::uint64_t kImageBytes = std::uint64_t{12} << 20;
  linux::Result<host::KexecImage> load_image(std::size_t kernel, std::string command_line,
                                             std::uint64_t bytes = kImageBytes);

  // For `show` and checks.
  PhysAddr outgoing_fdt() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace baton::kho
