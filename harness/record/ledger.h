// The preservation ledger: one row per object (page run, table, domain, BAR, bus number, session,
// file), who made, preserved, restored and finished it, and what became of it. Made of observations
// alone, so that it stays true when a kernel's own books are wrong.
//
// Page runs of one object with one history are one row. Files are the files of sessions, by session
// and token. Not in it, because no kernel publishes them: interrupt vectors.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/record/observer.h"
#include "harness/record/page_lives.h"

namespace baton::harness {

// What has become of an object.
enum class Fate : std::uint8_t {
  kInUse,        // by the kernel that made it; not preserved
  kPreserved,    // for the next kernel
  kWaiting,      // over the jump; the handover is under way
  kRestored,     // in use by the kernel that restored it
  kFinished,     // the handover of it is over
  kUnpreserved,  // the preservation was taken back
  kFreed,        // restored and freed, or unpreserved and freed
  kLeaked,       // preserved, over the jump, never restored, and the handover is over
  kKept,         // the same, but Linux never gives it back: pages of KHO and LUO themselves
  kReused,       // given away while it was preserved, which memory-not-reused reports
  kEnded,        // not preserved (again); ended with its kernel
};
std::string_view name(Fate fate);  // "in use", "leaked", ...

struct LedgerRow {
  std::string kind;      // "pages", "table", "domain", "BAR", "bus number", "session", "file"
  std::string what;      // "memfd folio", "page table", "vfio-pci-v1", ...
  std::string id;        // "inode 3", "0000:6a:01.0", "session vm0 token 2"; may be empty
  sim::PhysRange pages;  // length 0: no memory
  std::vector<LedgerStep> steps;
  Fate fate = Fate::kInUse;
  std::vector<std::string> reached_by;  // watched devices whose mapping leads here at this instant
};

class Ledger final : public RunObserver {
 public:
  void attach(Watch& watch, const Scenario& scenario) override;
  // Keeps the rows as they are then.
  void finish() override;

  // Now; after the run, at its end.
  std::vector<LedgerRow> rows() const;

 private:
  struct Key {
    std::string kind;
    std::string what;
    std::string id;
    std::uint64_t start = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Object {
    sim::PhysRange pages;
    std::vector<LedgerStep> steps;
  };

  void on_entry(const linux::LedgerEntry& seen);
  void on_released(const linux::MemoryReleased& seen);
  void on_session(const linux::SessionChanged& seen);
  void on_file(const linux::SessionFileChanged& seen);
  void step(Key key, sim::PhysRange pages, Deed deed, unsigned generation);
  Fate fate_of(std::string_view what, const std::vector<LedgerStep>& steps) const;
  void add_pages(std::vector<LedgerRow>& rows) const;

  Watch* watch_ = nullptr;
  unsigned generation_ = 0;  // of the kernel that runs, or runs next
  PageLives pages_;
  std::set<std::string, std::less<>> tables_;  // names of page runs that are tables
  std::map<Key, Object> objects_;
  std::vector<LedgerRow> at_end_;
};

}  // namespace baton::harness
