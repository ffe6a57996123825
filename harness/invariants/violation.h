// What a checker reports: which promise, when, about what, how it came about, and what is different
// from what it was.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/time.h"

namespace baton::harness {

// One cause of a violation. The chain leads from the oldest cause to the wrong event.
struct ChainLink {
  sim::Time time;
  std::string text;
  std::uint64_t event = 0;  // events of the run until then; 0 when nobody counted
};

// One step in the life of something: the owner of a page, a mapping, a register.
struct StateChange {
  std::string what;    // "page 0x23f400000", "dsa0 Command"
  std::string before;  // "kernel 0, memfd folio"
  std::string after;   // "kernel 1's page allocator"
};

struct Violation {
  std::string id;  // of the invariant
  sim::Time time;
  std::string subject;  // "page 0x1_2345_6000"
  std::string expected;
  std::string seen;
  std::vector<ChainLink> chain;
  std::vector<StateChange> changes;  // oldest first
  std::string device;                // "dsa0 at 0000:6a:01.0"; empty when none is concerned
  std::uint64_t event = 0;           // the wrong event, by its number in the run
  bool at_end = false;               // wrong is what had not happened when the run ended
};

}  // namespace baton::harness
