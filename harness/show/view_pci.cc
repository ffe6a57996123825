// lspci and topology.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "harness/show/views.h"
#include "model/pci/lspci_export.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

std::string short_window(const char* what, const std::optional<WindowState>& window) {
  if (!window) return "";
  return fmt::format(", {} {:x}-{:x}", what, window->base, window->limit);
}

// "command 0006 (mem busmaster)".
std::string command_text(std::uint16_t command) {
  std::string bits;
  if ((command & 1) != 0) bits += " io";
  if ((command & 2) != 0) bits += " mem";
  if ((command & 4) != 0) bits += " busmaster";
  return fmt::format("command {:04x}{}", command,
                     bits.empty() ? "" : fmt::format(" ({})", bits.substr(1)));
}

std::string bar_text(const BarState& bar) {
  const char* kind = bar.kind == pci::BarKind::kIo ? "I/O" : "mem";
  const std::string index = bar.index == pci::kRomBar ? "ROM" : fmt::format("BAR{}", bar.index);
  return fmt::format("{} {} {:x}+{:x}{}{}", index, kind, bar.address, bar.size,
                     bar.prefetchable ? " pref" : "", bar.size_assumed ? " (size assumed)" : "");
}

std::string function_line(const FunctionState& function) {
  std::string line = fmt::format("{} {:04x}: {:04x}:{:04x}", to_string(function.address),
                                 function.class_code >> 8, function.vendor, function.device);
  if (function.name != to_string(function.address)) line += fmt::format(" {}", function.name);
  line += fmt::format("  {}", command_text(function.command));
  if (function.bridge) {
    line += fmt::format(", to [{:02x}-{:02x}]", function.secondary, function.subordinate);
    line += short_window("I/O", function.io_window);
    line += short_window("mem", function.memory_window);
    line += short_window("pref", function.prefetch_window);
  }
  for (const BarState& bar : function.bars) line += ", " + bar_text(bar);
  if (function.msix && function.msix->enabled) {
    line += fmt::format(", MSI-X on ({} vectors)", function.msix->vectors);
  }
  if (function.msi_enabled.value_or(false)) line += ", MSI on";
  if (function.power_state != 0) line += fmt::format(", D{}", function.power_state);
  if (function.requester_id != function.address.bdf) {
    line += fmt::format(", sends as {}", to_string(function.requester_id));
  }
  if (!function.driver.empty()) line += fmt::format(", driver {}", function.driver);
  if (!function.vm.empty()) line += fmt::format(", of {}", function.vm);
  return line;
}

bool on_root(const RootBusState& root, const FunctionState& function) {
  return function.depth == 0 && function.address.segment == root.segment &&
         function.address.bdf.bus() == root.first;
}

json::value window_value(const std::optional<WindowState>& window) {
  if (!window) return nullptr;
  return json::object{{"base", window->base}, {"limit", window->limit}};
}

json::object function_value(const FunctionState& function) {
  json::array bars;
  for (const BarState& bar : function.bars) {
    bars.emplace_back(json::object{{"index", bar.index},
                                   {"io", bar.kind == pci::BarKind::kIo},
                                   {"prefetchable", bar.prefetchable},
                                   {"address", bar.address},
                                   {"size", bar.size},
                                   {"size_assumed", bar.size_assumed}});
  }
  json::object value{{"name", function.name},
                     {"address", to_string(function.address)},
                     {"requester_id", to_string(function.requester_id)},
                     {"vendor", function.vendor},
                     {"device", function.device},
                     {"class", function.class_code},
                     {"command", function.command},
                     {"power_state", function.power_state},
                     {"bars", std::move(bars)},
                     {"driver", function.driver},
                     {"vm", function.vm}};
  if (function.msix) {
    value["msix"] = json::object{{"vectors", function.msix->vectors},
                                 {"enabled", function.msix->enabled},
                                 {"masked", function.msix->masked}};
  }
  if (function.msi_enabled) value["msi_enabled"] = *function.msi_enabled;
  if (function.bridge) {
    value["bridge"] = json::object{{"primary", function.primary},
                                   {"secondary", function.secondary},
                                   {"subordinate", function.subordinate},
                                   {"io", window_value(function.io_window)},
                                   {"memory", window_value(function.memory_window)},
                                   {"prefetchable", window_value(function.prefetch_window)}};
  }
  return value;
}

// Text inside a quoted DOT id.
std::string dot_text(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

}  // namespace

std::string topology_text(const TopologySnapshot& snapshot) {
  std::string text;
  std::size_t next = 0;
  const std::vector<FunctionState>& functions = snapshot.functions;
  for (const RootBusState& root : snapshot.roots) {
    text += fmt::format("{:04x}:[{:02x}-{:02x}]\n", root.segment, root.first, root.last);
    for (; next < functions.size(); ++next) {
      if (functions[next].depth == 0 && !on_root(root, functions[next])) break;
      text += std::string(2 + 2 * std::size_t{functions[next].depth}, ' ') +
              function_line(functions[next]) + "\n";
    }
  }
  return text;
}

std::string topology_dot(const TopologySnapshot& snapshot) {
  std::string text = "digraph topology {\n  rankdir=LR;\n  node [shape=box, fontname=monospace];\n";
  for (std::size_t i = 0; i < snapshot.roots.size(); ++i) {
    const RootBusState& root = snapshot.roots[i];
    text += fmt::format("  root{} [label=\"{:04x}:[{:02x}-{:02x}]\", shape=oval];\n", i,
                        root.segment, root.first, root.last);
  }
  for (std::size_t i = 0; i < snapshot.functions.size(); ++i) {
    const FunctionState& function = snapshot.functions[i];
    std::string label = fmt::format("{}\\n{:04x}:{:04x}", to_string(function.address),
                                    function.vendor, function.device);
    if (function.name != to_string(function.address)) label += "\\n" + dot_text(function.name);
    if (!function.driver.empty()) label += "\\n" + dot_text(function.driver);
    if (!function.vm.empty()) label += "\\n" + dot_text(function.vm);
    text += fmt::format("  f{} [label=\"{}\"{}];\n", i, label,
                        (function.command & 4) != 0 ? ", style=bold" : "");
    if (function.parent) {
      text += fmt::format("  f{} -> f{} [label=\"{:02x}\"];\n", *function.parent, i,
                          snapshot.functions[*function.parent].secondary);
      continue;
    }
    for (std::size_t root = 0; root < snapshot.roots.size(); ++root) {
      if (!on_root(snapshot.roots[root], function)) continue;
      text += fmt::format("  root{} -> f{};\n", root, i);
      break;
    }
  }
  return text + "}\n";
}

std::string topology_json(const TopologySnapshot& snapshot) {
  json::array roots;
  for (const RootBusState& root : snapshot.roots) {
    roots.emplace_back(
        json::object{{"segment", root.segment}, {"first", root.first}, {"last", root.last}});
  }
  json::array functions;
  for (const FunctionState& function : snapshot.functions) {
    json::object value = function_value(function);
    if (function.parent) value["below"] = snapshot.functions[*function.parent].name;
    functions.emplace_back(std::move(value));
  }
  const json::object top{{"root_buses", std::move(roots)}, {"functions", std::move(functions)}};
  return json::serialize(top) + "\n";
}

ShowResult show_lspci(const ShowContext& context, std::ostream& out) {
  out << pci::export_lspci(context.watch.machine().fabric());
  return {};
}

ShowResult show_topology(const ShowContext& context, std::ostream& out) {
  const TopologySnapshot snapshot = context.topology.take();
  if (context.format == "dot") {
    out << topology_dot(snapshot);
  } else if (context.format == "json") {
    out << topology_json(snapshot);
  } else {
    out << topology_text(snapshot);
  }
  return {};
}

}  // namespace baton::harness
