// What a checker reports: which promise, when, about what, and how it came about.
#pragma once

#include <string>
#include <vector>

#include "sim/time.h"

namespace baton::harness {

// One cause of a violation. The chain leads from the oldest cause to the wrong event.
struct ChainLink {
  sim::Time time;
  std::string text;
};

struct Violation {
  std::string id;  // of the invariant
  sim::Time time;
  std::string subject;  // "page 0x1_2345_6000"
  std::string expected;
  std::string seen;
  std::vector<ChainLink> chain;
};

}  // namespace baton::harness
