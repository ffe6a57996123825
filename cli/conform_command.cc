// baton conform: measured records against the models.

#include <fmt/format.h>

#include <array>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "harness/conform/linux_enum.h"
#include "harness/conform/vtd_suite.h"
#include "harness/conform/vtd_writes.h"
#include "harness/scenario/diagnostic.h"

namespace baton::cli {
namespace {

int conform_vtd(const Options& options, Output output) {
  const std::vector<harness::ReviewedVector> reviewed = harness::reviewed_vtd_vectors();
  harness::VtdReport report;
  for (const std::string& file : options.files) {
    const auto vectors = harness::load_vtd_vectors(file);
    if (!vectors) {
      output.human << vectors.error() << "\n";
      return kUsage;
    }
    for (const harness::VtdVector& vector : vectors->vectors) {
      report.add(harness::judge_vtd_vector(vector, vectors->configs.at(vector.config), reviewed));
    }
  }
  if (report.results().empty()) {
    output.human << "nothing selected: no vector there\n";
    return kNothing;
  }
  output.data << report.text(options.verbosity > 0);
  return report.failed() ? kFailed : kHeld;
}

int conform_vtd_writes(const Options& options, Output output) {
  bool equal = true;
  for (const std::string& file : options.files) {
    const auto document = harness::load_json(file);
    const auto record =
        document ? harness::read_vtd_writes(file, *document) : std::unexpected(document.error());
    if (!record) {
      output.human << record.error() << "\n";
      return kUsage;
    }
    const auto result = harness::judge_vtd_writes(*record);
    if (!result) {
      output.human << result.error() << "\n";
      return kFailed;
    }
    output.data << harness::text(*result, options.verbosity > 0);
    equal = equal && result->equal() == result->total();
  }
  return equal ? kHeld : kFailed;
}

int conform_linux_enum(const Options& options, Output output) {
  const std::vector<harness::ReviewedEnum> reviewed = harness::reviewed_enum();
  bool passed = true;
  for (const std::string& file : options.files) {
    const auto document = harness::load_json(file);
    const auto record =
        document ? harness::read_enum_record(file, *document) : std::unexpected(document.error());
    if (!record) {
      output.human << record.error() << "\n";
      return kUsage;
    }
    const auto result = harness::judge_enum(*record, reviewed);
    if (!result) {
      output.human << result.error() << "\n";
      return kFailed;
    }
    output.data << harness::text(*result, options.verbosity > 0);
    passed = passed && result->passed();
  }
  return passed ? kHeld : kFailed;
}

struct Suite {
  std::string_view name;
  int (*run)(const Options& options, Output output);
};
constexpr std::array kSuites{Suite{"vtd", conform_vtd}, Suite{"vtd-writes", conform_vtd_writes},
                             Suite{"linux-enum", conform_linux_enum}};

}  // namespace

int conform_command(const Options& options, Output output) {
  std::vector<std::string_view> names;
  for (const Suite& suite : kSuites) {
    if (suite.name == options.what) return suite.run(options, output);
    names.push_back(suite.name);
  }
  output.human << fmt::format("no suite \"{}\". {} Suites: {}\n", options.what,
                              harness::did_you_mean(options.what, names), fmt::join(names, ", "));
  return kUsage;
}

}  // namespace baton::cli
