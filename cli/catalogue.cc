#include "cli/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "cli/library.h"
#include "cli/text.h"
#include "harness/scenario/catalogue_rows.h"
#include "harness/scenario/diagnostic.h"
#include "harness/scenario/invariant_rows.h"
#include "harness/scenario/key_text.h"
#include "harness/scenario/presets.h"
#include "harness/scenario/schema.h"
#include "harness/show/show.h"
#include "model/linux/base/config.h"

namespace baton::cli {
namespace {

using harness::Choice;
using harness::KeyRow;

constexpr std::array kKinds{
    KindRow{Kind::kScenarios, "scenarios", "scenario"},
    KindRow{Kind::kTemplates, "templates", "template"},
    KindRow{Kind::kPolicies, "policies", "policy"},
    KindRow{Kind::kInvariants, "invariants", "invariant"},
    KindRow{Kind::kDefects, "defects", "defect"},
    KindRow{Kind::kDevices, "devices", "device"},
    KindRow{Kind::kPresets, "presets", "preset"},
    KindRow{Kind::kParameters, "parameters", "parameter"},
    KindRow{Kind::kSources, "sources", "source"},
    KindRow{Kind::kMeasures, "measures", "measure"},
    KindRow{Kind::kProblems, "problems", "problem"},
    KindRow{Kind::kViews, "views", "view"},
};

std::string paragraph(std::string_view text) {
  std::string out(2, ' ');
  add_wrapped(out, 2, 2, text);
  return out;
}

std::string row(std::string_view name, std::string_view text) {
  std::string out;
  if (!text.empty()) add_row(out, name, 18, text);
  return out;
}

std::string kind_words(std::string_view kind) {
  if (kind == "skip") return "skip: leaves a step out";
  if (kind == "alter") return "alter: does a step differently";
  if (kind == "reorder") return "reorder: does steps in another order";
  return std::string(kind);
}

std::vector<Item> scenarios(Kind kind, const std::string& folder) {
  std::vector<Item> items;
  for (const LibraryScenario& scenario : read_library(folder)) {
    const harness::Loaded& loaded = scenario.loaded;
    const std::string title =
        loaded.good() ? loaded.scenario.title : "cannot be read: `baton check` it";
    std::string page = paragraph(title) + "\n";
    const std::string comment = head_comment(loaded.text);
    std::string_view lesson = comment;
    while (!lesson.empty()) {
      const std::size_t end = std::min(lesson.find('\n'), lesson.size());
      page += fmt::format("{}{}\n", end == 0 ? "" : "  ", lesson.substr(0, end));
      lesson.remove_prefix(std::min(end + 1, lesson.size()));
    }
    page.push_back('\n');
    page += row("watch it", fmt::format("baton run {}", loaded.file));
    page += row("change it", fmt::format("baton new my-scenario --from {}", scenario.id));
    items.push_back({kind, scenario.id, title, page});
  }
  return items;
}

std::vector<Item> policies() {
  std::vector<Item> items;
  for (const KeyRow* key : harness::rows_below("policies")) {
    const std::string id(harness::last_part(key->path));
    std::vector<std::string_view> built;
    std::vector<std::string_view> known;
    std::string page = paragraph(key->description) + "\n";
    for (const Choice& choice : key->choices()) {
      (choice.built ? built : known).push_back(choice.name);
      if (choice.built) add_row(page, choice.name, 24, choice.text);
    }
    page.push_back('\n');
    page +=
        row("default", key->origin.empty() ? std::string(key->fallback)
                                           : fmt::format("{}, by {}", key->fallback, key->origin));
    page += row("not built", fmt::format("{}", fmt::join(known, ", ")));
    page += row("set it with", fmt::format("policies.{0}, or kernels[].policies.{0}", id));
    items.push_back({Kind::kPolicies, id,
                     fmt::format("{}: {}", key->description, fmt::join(built, " | ")), page});
  }
  return items;
}

std::vector<Item> invariants() {
  std::vector<Item> items;
  for (const harness::InvariantRow& one : harness::invariant_rows()) {
    std::string page = paragraph(one.sentence) + "\n" + paragraph(one.text) + "\n";
    page += row("source", one.source) + row("holds in", one.holds);
    page += row("broken by", fmt::format("defect {0}: `baton explain {0}`", one.defect));
    items.push_back({Kind::kInvariants, std::string(one.id), std::string(one.sentence), page});
  }
  return items;
}

std::vector<Item> defects(const std::string& folder) {
  std::vector<Item> items;
  const std::vector<LibraryScenario> library = read_library(folder);
  for (const linux::DefectRow& one : linux::defect_rows()) {
    std::string page = paragraph(one.sentence) + "\n" + row("kind", kind_words(one.kind));
    page += row("done right in", one.source);
    for (const harness::InvariantRow& invariant : harness::invariant_rows()) {
      if (invariant.defect == one.id) page += row("breaks", invariant.id);
    }
    page += row("try it with", fmt::format("defects: [{}]", one.id));
    for (const LibraryScenario& scenario : library) {
      const auto has = [&one](const harness::KernelSpec& kernel) {
        return kernel.config.defects.has(one.defect);
      };
      if (std::ranges::any_of(scenario.loaded.scenario.kernels, has)) {
        page += row("watch it", fmt::format("baton run {}", scenario.loaded.file));
      }
    }
    items.push_back({Kind::kDefects, std::string(one.id),
                     fmt::format("{:<8} {}", one.kind, one.sentence), page});
  }
  return items;
}

std::vector<Item> devices() {
  std::vector<Item> items;
  for (const harness::DeviceRow& one : harness::device_rows()) {
    std::string page = paragraph(one.sentence) + "\n" + row("modelled", one.modelled);
    page += row("not modelled", one.left_out) + row("source", one.source);
    page += row("add it with",
                fmt::format("machine.topology.add: [{{kind: {0}, name: {0}0, ...}}]", one.kind));
    items.push_back({Kind::kDevices, std::string(one.kind), std::string(one.sentence), page});
  }
  return items;
}

std::vector<Item> presets() {
  std::vector<Item> items;
  for (const harness::PresetRow& one : harness::preset_rows()) {
    std::string page = paragraph(one.sentence) + "\n" + paragraph(one.text) + "\n  pieces\n";
    for (const harness::PieceRow& piece : one.pieces) {
      add_row(page, fmt::format("  {:<10}{}", piece.piece, piece.generation), 24,
              fmt::format("{} [{}]", piece.text, piece.standing));
    }
    page += "  policies\n";
    for (const KeyRow* key : harness::rows_below("policies")) {
      const std::string_view name = harness::last_part(key->path);
      const std::string_view own =
          harness::policy_text(harness::preset_config(one.id).policies, name);
      add_row(page, fmt::format("  {}", name), 24, own.empty() ? key->fallback : own);
    }
    std::string pieces;
    for (const harness::PieceRow& piece : one.pieces) {
      pieces += fmt::format("{}{} {}", pieces.empty() ? "" : ", ", piece.piece, piece.generation);
    }
    items.push_back(
        {Kind::kPresets, std::string(one.id), fmt::format("{} ({})", one.sentence, pieces), page});
  }
  return items;
}

std::vector<Item> parameters() {
  std::vector<Item> items;
  for (const KeyRow& key : harness::key_rows()) {
    std::string page = paragraph(key.description) + "\n";
    page += row("value", harness::type_text(key.type)) + row("range", harness::range_text(key));
    std::vector<std::string_view> names;
    for (const Choice& choice : harness::built_choices(key)) names.push_back(choice.name);
    page += row("choices", fmt::format("{}", fmt::join(names, ", ")));
    page += key.required ? row("default", "none: it must be given") : row("default", key.fallback);
    page += row("set by", key.origin) + row("example", harness::example_text(key));
    names.clear();
    for (const KeyRow* below : harness::rows_below(key.path)) names.push_back(below->path);
    page += row("keys", fmt::format("{}", fmt::join(names, ", ")));
    items.push_back({Kind::kParameters, std::string(key.path), std::string(key.description), page});
  }
  return items;
}

// The words of a citation that are files of a source tree.
std::vector<std::string> files_in(std::string_view citation) {
  std::vector<std::string> files;
  std::size_t from = 0;
  while ((from = citation.find_first_not_of(" ,;:[]()", from)) != std::string_view::npos) {
    const std::size_t end = std::min(citation.find_first_of(" ,;:[]()", from), citation.size());
    const std::string_view word = citation.substr(from, end - from);
    const bool has_suffix = word.ends_with(".c") || word.ends_with(".h") || word.ends_with(".rst");
    if (word.find('/') != std::string_view::npos && has_suffix) files.emplace_back(word);
    from = end;
  }
  return files;
}

// The documents, and the kernel files that the tables of defects and invariants cite.
std::vector<Item> sources() {
  std::vector<Item> items;
  for (const harness::SourceRow& one : harness::source_rows()) {
    std::string page = paragraph(one.title) + "\n" + row("taken from it", one.text);
    page += row("cited as", fmt::format("[{} ...]", one.prefix));
    items.push_back({Kind::kSources, std::string(one.id), std::string(one.title), page});
  }
  std::map<std::string, std::set<std::string>> cited;
  for (const linux::DefectRow& one : linux::defect_rows()) {
    for (const std::string& file : files_in(one.source)) {
      cited[file].insert(fmt::format("defect {}", one.id));
    }
  }
  for (const harness::InvariantRow& one : harness::invariant_rows()) {
    for (const std::string& file : files_in(one.source)) {
      cited[file].insert(fmt::format("invariant {}", one.id));
    }
  }
  for (const auto& [file, users] : cited) {
    const std::string text = fmt::format("cited by {}", fmt::join(users, ", "));
    const std::string page = paragraph("a file of Linux; the series posted for it as cited") +
                             "\n" + row("cited by", fmt::format("{}", fmt::join(users, ", ")));
    items.push_back({Kind::kSources, file, text, page});
  }
  return items;
}

std::vector<Item> measures() {
  std::vector<Item> items;
  for (const harness::MeasureRow& one : harness::measure_rows()) {
    const std::string_view unit = one.unit == harness::MeasureUnit::kDuration ? "a duration: 2s"
                                  : one.unit == harness::MeasureUnit::kBytes  ? "a size: 50MiB"
                                                                              : "a number";
    const std::string page = paragraph(one.sentence) + "\n" + row("unit", unit) +
                             row("bound it with", fmt::format("{{measure: {}, below: ...}}, or "
                                                              "above, or both",
                                                              one.id));
    items.push_back({Kind::kMeasures, std::string(one.id), std::string(one.sentence), page});
  }
  return items;
}

std::vector<Item> problems() {
  std::vector<Item> items;
  for (const harness::ProblemRow& one : harness::problem_rows()) {
    std::string page = paragraph(one.title) + "\n" + paragraph(one.text) + "\n";
    std::string_view wrong = one.wrong;
    for (const char* name = "wrong"; !wrong.empty(); name = "") {
      const std::size_t end = std::min(wrong.find('\n'), wrong.size());
      page += row(name, wrong.substr(0, end));
      wrong.remove_prefix(std::min(end + 1, wrong.size()));
    }
    page += row("right", one.right);
    items.push_back({Kind::kProblems, std::string(one.code), std::string(one.title), page});
  }
  return items;
}

std::vector<Item> views() {
  std::vector<Item> items;
  for (const harness::ShowRow& one : harness::show_rows()) {
    std::string page = paragraph(one.sentence) + "\n";
    page += row("formats", fmt::format("{}", fmt::join(one.formats, ", ")));
    page += row("look at it", fmt::format("baton show {} scenarios/quickstart.yaml --at kexec{}",
                                          one.what, one.binary ? " --out FILE" : ""));
    items.push_back({Kind::kViews, std::string(one.what), std::string(one.sentence), page});
  }
  return items;
}

}  // namespace

std::span<const KindRow> kind_rows() { return kKinds; }

std::vector<Item> items_of(Kind kind, const std::string& folder) {
  switch (kind) {
    case Kind::kScenarios:
    case Kind::kTemplates:
      return scenarios(kind, folder);
    case Kind::kPolicies:
      return policies();
    case Kind::kInvariants:
      return invariants();
    case Kind::kDefects:
      return defects(folder);
    case Kind::kDevices:
      return devices();
    case Kind::kPresets:
      return presets();
    case Kind::kParameters:
      return parameters();
    case Kind::kSources:
      return sources();
    case Kind::kMeasures:
      return measures();
    case Kind::kProblems:
      return problems();
    case Kind::kViews:
      return views();
  }
  return {};
}

}  // namespace baton::cli
