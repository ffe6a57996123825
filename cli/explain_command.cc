// baton explain: a page about anything that `baton list` lists, or that takes a value.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "cli/catalogue.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/text.h"
#include "harness/scenario/diagnostic.h"
#include "model/iommu_vtd/reason_rows.h"

namespace baton::cli {
namespace {

// Ids that take a value, `baton explain ID VALUE`: what the value means, or nothing if the value is
// none of the id's.
struct ValueExplainer {
  std::string_view id;
  std::string_view values;  // what may stand there
  std::optional<std::string> (*explain)(std::string_view value);
};

std::optional<std::string> explain_exit(std::string_view value) {
  for (const ExitRow& row : kExitRows) {
    if (fmt::to_string(static_cast<int>(row.code)) == value) {
      return fmt::format("exit status {}: {}\n", value, row.text);
    }
  }
  return std::nullopt;
}

// "34" or "0x22".
std::optional<std::string> explain_vtd_fault(std::string_view value) {
  const bool hex = value.starts_with("0x") || value.starts_with("0X");
  const std::string_view digits = hex ? value.substr(2) : value;
  std::uint8_t code = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
  const bool whole = error == std::errc{} && end == digits.data() + digits.size();
  const iommu_vtd::ReasonRow* row = whole ? iommu_vtd::find_reason(code) : nullptr;
  if (row == nullptr) return std::nullopt;
  const bool interrupt = row->code() >= 0x20 && row->code() < 0x30;
  return fmt::format(
      "VT-d fault reason {:#04x}, {}\n\n  {}\n\n"
      "  fault         of an {}\n"
      "  logged        {}\n"
      "  in the model  {}\n",
      row->code(), row->id, row->condition,
      interrupt ? "interrupt request; FI bits 63:48 of the record are its index"
                : "address translation; FI of the record is the page",
      row->qualified() ? "unless FPD is set in an entry that was read on the way"
                       : "always: FPD does not suppress it",
      row->never.empty() ? std::string("raised") : fmt::format("never raised: {}", row->never));
}

constexpr std::array kExplainers{
    ValueExplainer{"exit", "an exit status of baton", explain_exit},
    ValueExplainer{"vtd-fault", "a fault reason, 34 or 0x22", explain_vtd_fault},
};

int explain_value(const Options& options, Output output) {
  const auto row = std::ranges::find(kExplainers, options.what, &ValueExplainer::id);
  if (row == kExplainers.end()) {
    std::vector<std::string_view> ids;
    for (const ValueExplainer& one : kExplainers) ids.push_back(one.id);
    output.human << fmt::format("\"{}\" takes no value.{}\nids with a value: {}\n", options.what,
                                suggestion(options.what, ids), fmt::join(ids, ", "));
    return kUsage;
  }
  const std::optional<std::string> text = row->explain(options.value);
  if (!text) {
    output.human << fmt::format("{} \"{}\" is not known; a value is {}\n", row->id, options.value,
                                row->values);
    return kUsage;
  }
  output.data << *text;
  return kHeld;
}

std::string_view name_of(Kind kind) {
  return std::ranges::find(kind_rows(), kind, &KindRow::kind)->one;
}

// "policy:interrupts", also "policies:interrupts": the kind, which is then taken off the id.
const KindRow* take_kind(std::string& id) {
  const std::size_t colon = id.find(':');
  if (colon == std::string::npos) return nullptr;
  const std::string word = id.substr(0, colon);
  for (const KindRow& row : kind_rows()) {
    if (word != row.one && word != row.list) continue;
    id.erase(0, colon + 1);
    return &row;
  }
  return nullptr;
}

std::vector<Item> candidates(const KindRow* only, const std::string& folder) {
  std::vector<Item> result;
  for (const KindRow& row : kind_rows()) {
    // A template is a scenario under another name.
    if (only == nullptr ? row.kind == Kind::kTemplates : only != &row) continue;
    std::vector<Item> items = items_of(row.kind, folder);
    std::ranges::move(items, std::back_inserter(result));
  }
  return result;
}

}  // namespace

int explain_command(const Options& options, Output output) {
  if (!options.value.empty()) return explain_value(options, output);
  std::string id = options.what;
  const KindRow* kind = take_kind(id);
  const std::vector<Item> all = candidates(kind, options.folder);
  std::vector<const Item*> found;
  for (const Item& item : all) {
    if (item.id == id) found.push_back(&item);
  }
  if (found.size() == 1) {
    output.data << fmt::format("{} ({})\n\n{}", id, name_of(found[0]->kind), found[0]->page);
    return kHeld;
  }
  if (found.empty()) {
    std::vector<std::string_view> known;
    for (const Item& item : all) known.push_back(item.id);
    output.human << fmt::format("nothing is called \"{}\".{}\n", options.what,
                                suggestion(id, known));
    return kUsage;
  }
  output.human << fmt::format("\"{}\" names several things:\n", id);
  for (const Item* item : found) {
    output.human << fmt::format("  baton explain {}:{}\n", name_of(item->kind), id);
  }
  return kUsage;
}

}  // namespace baton::cli
