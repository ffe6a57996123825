// What has happened to each page of RAM, over all kernels: who was given it, who preserved and
// restored it, who gave it away. Made of observations alone, so that it stays true when a kernel's
// own books are wrong. It is what the chains of violations are told from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/invariants/page_set.h"
#include "harness/invariants/violation.h"
#include "model/host/observations.h"
#include "model/linux/base/observations.h"
#include "model/linux/base/page_alloc.h"
#include "sim/simulation.h"

namespace baton::harness {

class PageHistory {
 public:
  explicit PageHistory(sim::Simulation& simulation);
  PageHistory(const PageHistory&) = delete;
  PageHistory& operator=(const PageHistory&) = delete;

  // Who was last given the page and has not given it back; null for a free page. Preserved pages
  // keep their owner over the jump.
  const char* owner(PhysAddr page) const;

  // The file that a page of guest memory was made for: the kernel that made it, and its inode
  // number there. Stays the same while the page is carried over kernels.
  struct MadeFor {
    unsigned generation = 0;
    std::uint64_t inode = 0;
    friend bool operator==(const MadeFor&, const MadeFor&) = default;
  };
  std::optional<MadeFor> made_for(PhysAddr page) const;

  // What the kernel that ended last had preserved for the next one; empty before the first jump.
  PageSet preserved_at_last_jump() const {
    return jumps_.empty() ? PageSet() : jumps_.back().preserved;
  }

  // The page's life up to now, oldest first.
  std::vector<ChainLink> tell(PhysAddr page) const;
  // The same as a ledger: whose the page was, step by step.
  std::vector<StateChange> ledger(PhysAddr page) const;

 private:
  struct Span {
    std::uint64_t end;  // one past the last page
    const char* owner;
    unsigned generation;
    sim::Time since;
    std::uint64_t event;
  };
  struct Folios {
    std::uint64_t end;  // one past the last page
    MadeFor file;
  };
  struct Record {
    sim::Time time;
    unsigned generation;
    linux::LedgerEvent event;
    const char* what;
    sim::PhysRange pages;
    std::uint64_t number;  // of the event
  };
  struct Release {
    sim::Time time;
    unsigned generation;
    PageSet kept;
    std::uint64_t event;
  };
  struct Jump {
    sim::Time time;
    unsigned from;
    PageSet preserved;
    std::uint64_t event;
  };

  void on_allocated(const linux::PagesAllocated& seen);
  void on_freed(const linux::PagesFreed& seen);
  void on_released(const linux::MemoryReleased& seen);
  void on_ledger(const linux::LedgerEntry& seen);
  void on_folio(const linux::LedgerEntry& seen);
  void on_jump(const host::KernelJumped& seen);
  void on_cold_reboot();
  // Makes span borders at the range's ends and removes what lies between.
  void cut(sim::PhysRange range);
  const Span* span_at(PhysAddr page) const;
  std::uint64_t event() const { return simulation_.fingerprint().count(); }

  sim::Simulation& simulation_;
  std::map<std::uint64_t, Span> spans_;     // by first page
  std::map<std::uint64_t, Folios> folios_;  // by first page
  std::vector<Record> records_;
  std::vector<Release> releases_;
  std::vector<Jump> jumps_;
  PageSet preserved_;
};

}  // namespace baton::harness
