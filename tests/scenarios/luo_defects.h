// The defects of LUO and of the way down, each with a scenario of scenarios/luo that shows it and
// the invariant that catches it there; and a defect for each of the kernel's selftests.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "harness/run/host_builder.h"
#include "tests/support/source_dir.h"

namespace baton::testing {

struct LuoDefect {
  std::string_view defect;
  std::string_view scenario;
  std::string_view with;     // what is set beside the scenario; empty: it has the defect itself
  std::string_view without;  // and what takes the defect away
  std::string_view invariant;
};

inline constexpr LuoDefect kLuoDefects[] = {
    {"luo-skip-file-block", "kexec-simple", "defects=[luo-skip-file-block]", "", "process-calls"},
    {"luo-write-other-compatible", "kexec-simple", "defects=[luo-write-other-compatible]", "",
     "session-complete"},
    {"luo-accept-any-compatible", "any-version", "",
     "kernels[1].defects=[luo-write-other-compatible]", "abi-refused"},
    {"luo-panic-when-off", "switched-off", "kernels[1].defects=[luo-panic-when-off]", "",
     "session-complete"},
    {"luo-ignore-file-errors", "handler-missing", "kernels[1].defects=[luo-ignore-file-errors]", "",
     "process-calls"},
    {"luo-accept-any-name", "selftest", "defects=[luo-accept-any-name]", "", "process-calls"},
    {"luo-long-link-name", "answers", "defects=[luo-long-link-name]", "", "process-calls"},
    {"luo-duplicate-leaves-block", "full-block", "defects=[luo-duplicate-leaves-block]", "",
     "handover-record"},
    {"luo-forget-ids", "selftest", "defects=[luo-forget-ids]", "", "file-held-once"},
    {"luo-keep-after-fault", "answers", "defects=[luo-keep-after-fault]", "", "process-calls"},
    {"luo-get-name-entry", "answers", "defects=[luo-get-name-entry]", "", "process-calls"},
    {"luo-retrieve-outgoing", "answers", "defects=[luo-retrieve-outgoing]", "", "process-calls"},
    {"luo-forget-retrieve-error", "retrieve-again",
     "kernels[1].defects=[luo-forget-retrieve-error]", "", "file-callbacks"},
    {"luo-unfreeze-zeroes-data", "refused-and-retried", "defects=[luo-unfreeze-zeroes-data]", "",
     "handover-record"},
    {"luo-forget-serialize-lock", "sealed", "defects=[luo-forget-serialize-lock]", "",
     "sessions-sealed"},
    {"luo-flb-counts-references", "refused-and-retried", "defects=[luo-flb-counts-references]", "",
     "flb-order"},
    {"kexec-hang-in-shutdown", "hangs-on-the-way-down", "", "kernels[0].defects=[]",
     "sessions-sealed"},
};

// What each selftest of the kernel catches; selftest.yaml is in the list above.
inline constexpr LuoDefect kSelftestDefects[] = {
    {"luo-skip-file-block", "kexec-simple", "defects=[luo-skip-file-block]", "", "process-calls"},
    {"memfd-skip-record", "multi-session", "defects=[memfd-skip-record]", "", "process-calls"},
    {"luo-skip-session-block", "stress-sessions", "defects=[luo-skip-session-block]", "",
     "session-complete"},
    {"memfd-skip-folio-array", "stress-files", "defects=[memfd-skip-folio-array]", "",
     "process-calls"},
    {"luo-forget-ids", "selftest", "defects=[luo-forget-ids]", "", "process-calls"},
};

inline const LuoDefect* luo_defect(std::string_view defect) {
  const auto* found = std::ranges::find(kLuoDefects, defect, &LuoDefect::defect);
  return found == std::end(kLuoDefects) ? nullptr : found;
}

inline harness::Loaded load_luo(std::string_view scenario, std::string_view set) {
  std::vector<std::string> overrides;
  if (!set.empty()) overrides.emplace_back(set);
  return harness::check_scenario(fmt::format("{}/scenarios/luo/{}.yaml", source_dir(), scenario),
                                 std::move(overrides));
}

}  // namespace baton::testing
