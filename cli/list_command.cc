// baton list, baton explain: what there is, and what it means.

#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "harness/scenario/invariant_rows.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/schema.h"
#include "model/linux/base/config.h"

namespace baton::cli {
namespace {

using harness::KeyRow;

void list_policies(std::ostream& data) {
  for (const KeyRow* row : harness::rows_below("policies")) {
    data << fmt::format("{:<14} {} (vision: {})\n", harness::last_part(row->path), row->description,
                        row->fallback);
    for (const harness::Choice& choice : row->choices()) {
      if (choice.built) data << fmt::format("  {}\n", choice.name);
    }
  }
}

int list_scenarios(const Options& options, Output output) {
  const std::vector<std::string> files = select_scenarios({options.folder});
  int code = kHeld;
  for (const std::string& file : files) {
    const harness::Loaded loaded = harness::load_scenario(file);
    output.data << fmt::format("{:<44} {}\n", file,
                               loaded.good() ? loaded.scenario.title : "cannot be read");
    if (!loaded.good()) code = kUsage;
  }
  return files.empty() ? kNothing : code;
}

std::string_view kind_words(std::string_view kind) {
  if (kind == "skip") return "leaves a step out";
  if (kind == "alter") return "does a step differently";
  if (kind == "reorder") return "does steps in another order";
  return kind;
}

}  // namespace

int list_command(const Options& options, Output output) {
  const std::string& what = options.what;
  if (what == "invariants") {
    for (const harness::InvariantRow& row : harness::invariant_rows()) {
      output.data << fmt::format("{:<18} {}\n", row.id, row.sentence);
    }
  } else if (what == "defects") {
    for (const linux::DefectRow& row : linux::defect_rows()) {
      output.data << fmt::format("{:<26} {:<8} {}\n", row.id, row.kind, row.sentence);
    }
  } else if (what == "policies") {
    list_policies(output.data);
  } else if (what == "measures") {
    for (const harness::MeasureRow& row : harness::measure_rows()) {
      output.data << fmt::format("{:<26} {}\n", row.id, row.sentence);
    }
  } else if (what == "problems") {
    for (const harness::ProblemRow& row : harness::problem_rows()) {
      output.data << fmt::format("{}  {}\n", row.code, row.title);
    }
  } else if (what == "scenarios") {
    return list_scenarios(options, output);
  } else {
    constexpr std::array<std::string_view, 6> kLists{"invariants", "defects",  "policies",
                                                     "measures",   "problems", "scenarios"};
    output.human << fmt::format("no list \"{}\". {} Lists: {}\n", what,
                                harness::did_you_mean(what, kLists), fmt::join(kLists, ", "));
    return kUsage;
  }
  return kHeld;
}

int explain_command(const Options& options, Output output) {
  const std::string& id = options.what;
  if (const harness::InvariantRow* row = harness::invariant_row(id)) {
    output.data << fmt::format(
        "{}\n  {}\n\n  {}\n\n  source    {}\n  holds in  {}\n  broken by defect {}\n", row->id,
        row->sentence, row->text, row->source, row->holds, row->defect);
    return kHeld;
  }
  if (const auto defect = linux::defect_by_id(id)) {
    for (const linux::DefectRow& row : linux::defect_rows()) {
      if (row.defect != *defect) continue;
      output.data << fmt::format("{}\n  {}\n  kind      {}: {}\n  done right in  {}\n", row.id,
                                 row.sentence, row.kind, kind_words(row.kind), row.source);
    }
    return kHeld;
  }
  if (const harness::MeasureRow* row = harness::measure_row(id)) {
    output.data << fmt::format("{}\n  {}\n", row->id, row->sentence);
    return kHeld;
  }
  for (const harness::ProblemRow& row : harness::problem_rows()) {
    if (row.code != id) continue;
    output.data << fmt::format("{}  {}\n\n  {}\n", row.code, row.title, row.text);
    return kHeld;
  }
  std::vector<std::string_view> known;
  for (const auto& row : harness::invariant_rows()) known.push_back(row.id);
  for (const auto& row : linux::defect_rows()) known.push_back(row.id);
  for (const auto& row : harness::problem_rows()) known.push_back(row.code);
  output.human << fmt::format("nothing is called \"{}\". {}\n", id,
                              harness::did_you_mean(id, known));
  return kUsage;
}

int run_program(const Options& options, Output output, const std::function<bool()>& interrupted) {
  switch (options.command) {
    case Command::kRun:
      return run_command(options, output, interrupted);
    case Command::kCheck:
      return check_command(options, output);
    case Command::kList:
      return list_command(options, output);
    case Command::kExplain:
      return explain_command(options, output);
    case Command::kNone:
      break;
  }
  return kUsage;
}

}  // namespace baton::cli
