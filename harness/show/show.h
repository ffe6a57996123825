// What `baton show` can show of a run at one instant: a table from name to function. A new view is
// one function (views.h) and one row (show_rows.cc).
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>

#include "harness/record/config_writes.h"
#include "harness/record/critical_path.h"
#include "harness/record/ledger.h"
#include "harness/record/phase_clock.h"
#include "harness/record/topology_snapshot.h"
#include "harness/show/boot_records.h"
#include "harness/show/flow.h"
#include "harness/show/luo_states.h"
#include "harness/show/moment.h"
#include "harness/show/timeline.h"

namespace baton::harness {

// All that a view can look at, valid at that instant alone.
struct ShowContext {
  Watch& watch;
  const Scenario& scenario;
  const Ledger& ledger;
  const ConfigWrites& config_writes;
  const TopologyWatch& topology;
  const BootRecords& boots;
  const InterruptCounts& interrupts;
  const Timeline& timeline;
  const CriticalPath& critical_path;
  const LuoStates& luo_states;
  const Flow& flow;
  std::string_view format;  // one of the row's
};

// Writes the view; an error is a sentence that says why there is nothing to show.
using ShowResult = std::expected<void, std::string>;
using ShowFunction = ShowResult (*)(const ShowContext&, std::ostream&);

struct ShowRow {
  std::string_view what;
  std::string_view sentence;
  std::span<const std::string_view> formats;  // the first is the default
  bool binary;                                // not for a terminal
  ShowFunction make;
};

std::span<const ShowRow> show_rows();
const ShowRow* show_row(std::string_view what);

struct ShowRequest {
  const ShowRow* row = nullptr;
  Moment moment;
  std::string_view format;
  std::uint64_t seed = 0;
  std::function<bool()> interrupted;
};

enum class ShowProblem : std::uint8_t { kNever, kNothing, kInterrupted };
struct ShowError {
  ShowProblem problem = ShowProblem::kNever;
  std::string text;
};

// Runs the scenario up to the moment and writes the view of it; the run ends there. `loaded` has
// been checked.
std::expected<void, ShowError> show(const Loaded& loaded, const ShowRequest& request,
                                    std::ostream& out);

}  // namespace baton::harness
