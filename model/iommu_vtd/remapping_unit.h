// One Intel VT-d remapping unit: registers, tables walked from simulated RAM, caches, queued
// invalidation, fault recording, interrupt remapping [VT-d spec; numbers in the other headers].
//
// Hardware object. Software sees it through mmio_read and mmio_write alone; the root complex asks
// it where each request goes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "model/iommu_vtd/device_tlb_port.h"
#include "model/iommu_vtd/profile.h"
#include "model/pci/request.h"
#include "sim/memory.h"
#include "sim/simulation.h"

namespace baton::iommu_vtd {

// Where a request goes; for a translation request [PCIe 10.2], what its completion says: allowed
// without rights means that there is no translation.
struct Translation {
  bool allowed = false;
  PhysAddr address;               // valid if allowed
  std::uint8_t fault_reason = 0;  // [VT-d ch. 7.1.3 tables]; valid if not allowed
  DomainId domain;                // of the context entry used; 0 when untranslated
  sim::Duration latency;          // of cache look-ups and table reads
  unsigned misses = 0;            // structures read from memory
  // Of the page that holds the address, and how a refused non-posted request is completed.
  bool readable = false;
  bool writable = false;
  std::uint64_t page_bytes = 0;
  pci::CompletionStatus status = pci::CompletionStatus::kSuccess;
};

// What an interrupt message becomes.
struct RemappedInterrupt {
  bool allowed = false;
  std::uint32_t destination = 0;  // APIC id
  Vector vector;
  std::uint8_t delivery_mode = 0;  // 0: fixed
  bool logical = false;            // destination mode
  bool level_triggered = false;
  std::uint8_t fault_reason = 0;
  bool silenced = false;  // not allowed, and its entry keeps that out of the log (FPD=1)
  sim::Duration latency;
  // Through an entry in posted format: the request is in its descriptor, and what stands above is
  // the notification, which leaves if `notifies` says so.
  bool posted = false;
  bool notifies = false;
};

class RemappingUnit {
 public:
  // `base` is the physical address of its registers. The unit sends its own event messages
  // (fault, invalidation completion) through `send_message`.
  using SendMessage = std::function<void(std::uint64_t address, std::uint32_t data)>;
  RemappingUnit(sim::Simulation& simulation, sim::PhysicalMemory& memory, std::string name,
                PhysAddr base, const Profile& profile, SendMessage send_message);
  ~RemappingUnit();
  RemappingUnit(const RemappingUnit&) = delete;
  RemappingUnit& operator=(const RemappingUnit&) = delete;

  const std::string& name() const;
  PhysAddr base() const;
  std::uint64_t register_space() const;  // bytes, whole pages
  const Profile& profile() const;

  // Platform reset: registers, caches, queue and pending events are as after power-on.
  void reset();

  // Register access by software; 4 or 8 bytes, naturally aligned. Commands and the invalidation
  // queue run to completion within the write.
  std::uint64_t mmio_read(std::uint64_t offset, unsigned width);
  void mmio_write(std::uint64_t offset, unsigned width, std::uint64_t value);

  // A memory request of a device below this unit. Faults are recorded.
  Translation translate(const pci::MemoryRequest& request);

  // A request that was let through moves its data from now on for so long: what invalidations with
  // drain wait for.
  void under_way(const pci::MemoryRequest& request, sim::Duration duration);

  // The functions below this unit that have device-TLBs; without, an invalidation of device-TLBs is
  // complete at once. Outlives the unit.
  void connect(DeviceTlbPort* port);

  // Messages of functions: the completion of device-TLB invalidations, by tag, and a page request.
  void invalidation_completed(Bdf function, std::uint32_t tags);
  void page_request(const pci::PageRequest& request);

  // A DWORD write to FEEx_xxxx by `requester`.
  RemappedInterrupt remap(Bdf requester, std::uint64_t address, std::uint32_t data);

  bool translation_enabled() const;  // GSTS.TES
  PhysAddr root_table() const;       // as latched by the last SRTP

  // Walks the tables in memory without touching caches, faults or registers: what a request of
  // this requester would get from the tables as they are. For observers.
  struct Walk {
    bool mapped = false;
    PhysAddr address;
    bool readable = false;
    bool writable = false;
    DomainId domain;
  };
  Walk inspect(Bdf requester, Iova address) const;

  // The domain id and the top table that requests of this requester without PASID go through, as
  // the tables in memory are now: where they are nested, the second-stage one. Nothing when they
  // are refused or pass through. For observers.
  struct Attachment {
    DomainId domain;
    PhysAddr table;
    bool nested = false;
    friend bool operator==(const Attachment&, const Attachment&) = default;
  };
  std::optional<Attachment> attachment(Bdf requester) const;

  // Calls `table` for every page of root, context and page tables that hardware can reach from the
  // latched root for this requester, and `leaf` for every mapped run. For observers.
  void inspect_tables(
      Bdf requester, const std::function<void(PhysAddr page, const char* what)>& table,
      const std::function<void(Iova from, PhysAddr to, std::uint64_t length, bool writable)>& leaf)
      const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace baton::iommu_vtd
