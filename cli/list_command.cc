// baton list: what there is, a row per item. The heading is for people alone.

#include <fmt/format.h>

#include <algorithm>

#include "cli/catalogue.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/text.h"

namespace baton::cli {

int list_command(const Options& options, Output output) {
  const auto row = std::ranges::find(kind_rows(), options.what, &KindRow::list);
  if (row == kind_rows().end()) {
    std::vector<std::string_view> lists;
    for (const KindRow& kind : kind_rows()) lists.push_back(kind.list);
    output.human << fmt::format("no list \"{}\".{}\nlists: {}\n", options.what,
                                suggestion(options.what, lists), fmt::join(lists, ", "));
    return kUsage;
  }
  const std::vector<Item> items = items_of(row->kind, options.folder);
  if (items.empty()) {
    output.human << fmt::format("no {} found: go to a checkout of baton, or name a --folder\n",
                                row->list);
    return kNothing;
  }
  std::size_t width = 0;
  for (const Item& item : items) width = std::max(width, item.id.size());
  if (output.data_is_terminal) {
    output.data << fmt::format("{:<{}}  {}\n", row->one, width, "(`baton explain ID` says more)");
  }
  for (const Item& item : items) {
    output.data << fmt::format("{:<{}}  {}\n", item.id, width, item.text);
  }
  return kHeld;
}

}  // namespace baton::cli
