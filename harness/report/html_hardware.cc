// What the handover did to the PCI side: the topology before it and at the end, with what differs
// marked; the configuration writes of each kernel function.
#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "harness/report/html_sections.h"
#include "harness/report/html_writer.h"

namespace baton::harness {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Column {
  const char* head;
  std::vector<std::string_view> starts;  // of the names of its fields
};

const std::vector<Column>& columns() {
  static const std::vector<Column> rows{
      {"address", {"address", "requester id"}},
      {"bus numbers", {"primary", "secondary", "subordinate"}},
      {"command", {"command", "power state"}},
      {"BARs and windows", {"BAR", "ROM", "I/O window", "memory window", "prefetchable window"}},
      {"interrupts", {"MSI"}},
      {"driver", {"driver"}},
  };
  return rows;
}

const std::string* find(const Fields& fields, const std::string& name) {
  const auto found = std::ranges::find(fields, name, &std::pair<std::string, std::string>::first);
  return found == fields.end() ? nullptr : &found->second;
}

// A requester id that is the function's address, before and after.
bool says_nothing(const Fields& before, const Fields& after, const std::string& requester) {
  for (const Fields* side : {&before, &after}) {
    const std::string* const address = find(*side, "address");
    const std::string* const id = find(*side, "requester id");
    if (id != nullptr && (*id != requester || address == nullptr || !address->ends_with(*id))) {
      return false;
    }
  }
  return true;
}

// Every field of either side that belongs to the column, what changed struck out and underlined.
void topology_cell(Html& html, const Column& column, const Fields& before, const Fields& after) {
  Fields all = before;
  for (const auto& field : after) {
    if (find(before, field.first) == nullptr) all.push_back(field);
  }
  html.raw("<td>");
  bool first = true;
  for (const auto& [name, value] : all) {
    if (name == "requester id" && says_nothing(before, after, value)) continue;
    const bool here = std::ranges::any_of(
        column.starts, [&](std::string_view start) { return name.starts_with(start); });
    if (!here) continue;
    const std::string* const old_value = find(before, name);
    const std::string* const new_value = find(after, name);
    if (!first) html.raw("<br>");
    first = false;
    if (column.starts.size() > 1) html.raw("<span class=\"dim\">").t(name).raw("</span> ");
    html.raw("<span class=\"mono\">");
    if (old_value != nullptr && new_value != nullptr && *old_value == *new_value) {
      html.t(value);
    } else {
      if (old_value != nullptr) html.raw("<del>").t(*old_value).raw("</del> ");
      if (new_value != nullptr) html.raw("<ins>").t(*new_value).raw("</ins>");
    }
    html.raw("</span>");
  }
  html.raw("</td>");
}

void topology_row(Html& html, const FunctionState* before, const FunctionState* after) {
  const FunctionState& shown = after == nullptr ? *before : *after;
  const Fields old_fields = before == nullptr ? Fields{} : describe(*before);
  const Fields new_fields = after == nullptr ? Fields{} : describe(*after);
  html.raw(old_fields == new_fields ? "<tr>" : "<tr class=\"changed\">");
  html.add("<th scope=\"row\" style=\"padding-left:{}em\">", 1 + shown.depth * 3 / 2);
  html.t(shown.name)
      .add("<br><span class=\"dim mono\">{:04x}:{:04x} class {:06x}</span>", shown.vendor,
           shown.device, shown.class_code);
  if (!shown.vm.empty()) html.raw("<br><span class=\"badge\">").t(shown.vm).raw("</span>");
  html.raw("</th>");
  for (const Column& column : columns()) topology_cell(html, column, old_fields, new_fields);
  html.raw("</tr>");
}

void writes_row(Html& html, const ConfigWriteGroup& group) {
  html.add("<tr data-from=\"{}\" data-to=\"{}\"><th scope=\"row\" class=\"mono\">",
           group.first.ps(), group.last.ps());
  html.t(writer_text(group)).raw("</th>");
  const std::string address = sim::to_string(group.address);
  html.cell(group.function.empty()      ? fmt::format("nobody at {}", address)
            : group.function == address ? address
                                        : fmt::format("{} at {}", group.function, address));
  std::string where = fmt::format("{:#05x}", group.offset);
  if (!group.register_name.empty()) where = fmt::format("{} ({})", group.register_name, where);
  html.cell(where).cell(fmt::format("{} of kernel {}", group.phase, group.generation));
  html.cell(sim::to_string(group.first), "num").cell(fmt::format("{}", group.writes), "num");
  html.cell(group.value_equal == 0 ? "" : fmt::format("{}", group.value_equal), "num");
  html.raw("<td class=\"mono\">");
  if (group.old_value == group.new_value) {
    html.add("{:#0{}x}", group.new_value, 2 + 2 * group.width);
  } else {
    html.add("<del>{:#0{}x}</del> ", group.old_value, 2 + 2 * group.width);
    html.add("<ins>{:#0{}x}</ins>", group.new_value, 2 + 2 * group.width);
  }
  html.raw("</td></tr>");
}

}  // namespace

std::string html_topology(const RunResult& result, const std::string& id) {
  if (!result.record) return {};
  const TopologySnapshot& before = result.record->before;
  const TopologySnapshot& after = result.record->after;
  const std::vector<TopologyChange> changes = compare(before, after);
  std::map<std::string_view, const FunctionState*> by_name;
  for (const FunctionState& function : after.functions) by_name.emplace(function.name, &function);
  Html html;
  html.add("<section id=\"{}-topology\"><h3>Topology before and after</h3><p class=\"lead\">", id);
  if (changes.empty()) {
    html.raw(
        "<span class=\"ok\">Nothing differs</span> between the freeze and the end: bus "
        "numbers, addresses, command bits and drivers are the same.");
  } else {
    html.add("{} between the freeze and the end: <del>before</del> <ins>after</ins>.",
             changes.size() == 1 ? "One field differs"
                                 : fmt::format("{} fields differ", changes.size()));
  }
  html.raw("</p><div class=\"scroll\"><table><thead><tr><th scope=\"col\">function</th>");
  for (const Column& column : columns()) html.add("<th scope=\"col\">{}</th>", column.head);
  html.raw("</tr></thead><tbody>");
  for (const FunctionState& function : before.functions) {
    const auto found = by_name.find(function.name);
    topology_row(html, &function, found == by_name.end() ? nullptr : found->second);
    if (found != by_name.end()) by_name.erase(found);
  }
  for (const FunctionState& function : after.functions) {
    if (by_name.contains(function.name)) topology_row(html, nullptr, &function);
  }
  html.raw("</tbody></table></div></section>");
  return html.take();
}

std::string html_config_writes(const RunResult& result, const std::string& id) {
  if (!result.record) return {};
  constexpr std::size_t kRowsMax = 400;
  std::vector<ConfigWriteGroup> groups = group_writes(result.record->config_writes);
  // By kernel, then by kernel function in the order in which each first writes.
  std::map<std::pair<unsigned, std::string_view>, sim::Time> first;
  for (const ConfigWriteGroup& group : groups) {
    const auto [place, fresh] = first.try_emplace({group.generation, group.by}, group.first);
    if (!fresh) place->second = std::min(place->second, group.first);
  }
  const auto place = [&](const ConfigWriteGroup& group) {
    return std::tuple(group.generation, first.at({group.generation, group.by}), group.by,
                      group.first);
  };
  std::ranges::stable_sort(groups, {}, place);
  // The handover says most; of what is too much, the first boot goes.
  std::size_t left_out = 0;
  if (groups.size() > kRowsMax) {
    left_out = groups.size() - kRowsMax;
    groups.erase(groups.begin(), groups.begin() + static_cast<std::ptrdiff_t>(left_out));
  }
  Html html;
  html.add("<section id=\"{}-writes\"><h3>Configuration writes by kernel function</h3>", id);
  html.add(
      "<p class=\"lead\">{} writes. Writes of one function to one register in one phase are a "
      "row; those that wrote what was there are counted apart.",
      result.record->config_writes.size());
  if (left_out != 0) html.add(" The first {} rows are left out here.", left_out);
  html.raw("</p><div class=\"tools needs-script\"><label>Find <input type=\"search\" ");
  html.add("data-table=\"{}-writes-table\"></label></div><div class=\"scroll\">", id);
  html.add("<table class=\"writes\" id=\"{}-writes-table\"><thead><tr>", id);
  constexpr std::array kHeads{"kernel function", "device", "register",      "phase",
                              "first",           "writes", "of them equal", "value before, after"};
  for (const char* head : kHeads) html.add("<th scope=\"col\">{}</th>", head);
  html.raw("</tr></thead><tbody>");
  for (const ConfigWriteGroup& group : groups) writes_row(html, group);
  html.raw("</tbody></table></div></section>");
  return html.take();
}

}  // namespace baton::harness
