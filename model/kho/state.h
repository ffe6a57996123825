// Private to model/kho: what a kernel's KHO knows.
#pragma once

#include "model/kho/abi.h"
#include "model/kho/kho.h"
#include "model/kho/radix_tree.h"
#include "model/kho/root_fdt.h"
#include "model/linux/base/observations.h"

namespace baton::kho {

class Kho::State {
 public:
  State(linux::KernelServices& kernel_services, const host::BootHandoff& boot_handoff,
        std::optional<Handover> boot_handover);

  sim::PhysicalMemory& ram() { return services.port().ram(); }
  linux::PageAllocator& pages() { return services.pages(); }
  std::span<std::byte> fdt_page() { return ram().page(fdt); }

  // kho_reserve_scratch() of a cold boot.
  void reserve_scratch(std::string_view command_line);
  // kho_mem_retrieve(): reserves and stamps what the tree says; false on a corrupt tree.
  // The number of preserved blocks, all reserved and stamped; nullopt for a corrupt map.
  std::optional<std::uint64_t> retrieve_memory();
  linux::Result<> create_outgoing();
  linux::Result<> write_metadata();
  void read_metadata();
  // kho_restore_page(): takes the stamp off; nullopt when there is none.
  std::optional<unsigned> take_stamp(PhysAddr address);
  void publish(linux::LedgerEvent event, PhysAddr block, unsigned order);

  linux::KernelServices& services;
  host::BootHandoff handoff;
  std::optional<Handover> handover;  // while this is a KHO boot
  std::vector<sim::PhysRange> scratch;
  bool enabled = false;
  RadixTree tree;
  PhysAddr fdt;       // outgoing root FDT, 0: none
  PhysAddr metadata;  // outgoing kexec-metadata
  std::uint32_t kexec_count = 0;
  sim::Topic<linux::LedgerEntry>& ledger;
};

}  // namespace baton::kho
