// config-writes: per function, who wrote what in which phase. Writes that wrote what was there are
// counted apart.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "harness/show/views.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

std::string function_title(const ConfigWriteGroup& group) {
  const std::string address = to_string(group.address);
  if (group.function.empty()) return fmt::format("{} (nobody answers)", address);
  return group.function == address ? address : fmt::format("{} {}", address, group.function);
}

std::string group_line(const ConfigWriteGroup& group) {
  const std::string name = group.register_name.empty()
                               ? fmt::format("[{:03x}]", group.offset)
                               : fmt::format("{} [{:03x}]", group.register_name, group.offset);
  const unsigned digits = group.width * 2;
  std::string line = fmt::format("      {:<38} {:0{}x} -> {:0{}x}", name, group.old_value, digits,
                                 group.new_value, digits);
  if (group.writes > 1) line += fmt::format("  {} writes", group.writes);
  if (group.value_equal > 0) {
    line += group.value_equal == group.writes ? std::string("  value-equal")
                                              : fmt::format("  {} value-equal", group.value_equal);
  }
  return line + "\n";
}

std::string writes_text(const std::vector<ConfigWriteGroup>& groups) {
  std::string text;
  std::uint64_t writes = 0;
  std::uint64_t equal = 0;
  const ConfigWriteGroup* before = nullptr;
  for (const ConfigWriteGroup& group : groups) {
    const bool other_function = before == nullptr || before->function != group.function ||
                                (group.function.empty() && before->address != group.address);
    const bool other_phase =
        other_function || before->generation != group.generation || before->phase != group.phase;
    if (other_function) text += function_title(group) + "\n";
    if (other_phase) text += fmt::format("  kernel {}, {}\n", group.generation, group.phase);
    if (other_phase || before->by != group.by || before->driver != group.driver) {
      text += fmt::format("    {}\n", writer_text(group));
    }
    text += group_line(group);
    writes += group.writes;
    equal += group.value_equal;
    before = &group;
  }
  return text + fmt::format("{} writes, {} of them value-equal\n", writes, equal);
}

std::string writes_json(const std::vector<ConfigWriteRow>& rows) {
  json::array writes;
  for (const ConfigWriteRow& row : rows) {
    writes.emplace_back(json::object{{"time_ps", row.time.ps()},
                                     {"kernel", row.generation},
                                     {"phase", row.phase},
                                     {"function", row.function},
                                     {"address", to_string(row.address)},
                                     {"offset", row.offset},
                                     {"register", row.register_name},
                                     {"width", row.width},
                                     {"old", row.old_value},
                                     {"written", row.written},
                                     {"new", row.new_value},
                                     {"value_equal", row.value_equal()},
                                     {"by", row.by},
                                     {"driver", row.driver}});
  }
  return json::serialize(writes) + "\n";
}

}  // namespace

ShowResult show_config_writes(const ShowContext& context, std::ostream& out) {
  const std::vector<ConfigWriteRow>& rows = context.config_writes.rows();
  out << (context.format == "json" ? writes_json(rows) : writes_text(group_writes(rows)));
  return {};
}

}  // namespace baton::harness
