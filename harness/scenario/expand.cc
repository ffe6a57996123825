// `baton check --expand`: the scenario with every default, in the order of the schema table. The
// comment behind each value says where it comes from.

#include <fmt/format.h>

#include "harness/scenario/key_text.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/schema.h"

namespace baton::harness {
namespace {

class Writer {
 public:
  std::string take() { return std::move(out_); }

  void map(const Node* node, std::string_view path, unsigned depth, bool in_list) {
    bool first = in_list;
    for (const KeyRow* row : rows_below(path)) {
      const Node* child = node == nullptr ? nullptr : node->find(last_part(row->path));
      const std::size_t before = out_.size();
      key(*row, child, depth, first);
      if (out_.size() != before) first = false;
    }
    if (first) line(depth, true, "{}", "");
  }

 private:
  void key(const KeyRow& row, const Node* node, unsigned depth, bool first) {
    const std::string_view name = last_part(row.path);
    switch (row.type) {
      case KeyType::kMap:
        if (node == nullptr && !has_defaults(row.path)) return;
        line(depth, first, fmt::format("{}:", name), "");
        return map(node, row.path, depth + 1, false);
      case KeyType::kList:
        return list(row, node, depth, first);
      case KeyType::kChoices:
      case KeyType::kValues:
        if (node == nullptr) return;
        return line(depth, first, fmt::format("{}: {}", name, flow_text(*node)), line_of(*node));
      default:
        if (node != nullptr) {
          line(depth, first, fmt::format("{}: {}", name, flow_text(*node)), line_of(*node));
        } else if (!row.fallback.empty()) {
          line(depth, first, fmt::format("{}: {}", name, row.fallback),
               row.origin.empty() ? "default" : std::string(row.origin));
        }
    }
  }

  void list(const KeyRow& row, const Node* node, unsigned depth, bool first) {
    const std::string_view name = last_part(row.path);
    const std::string item_path = fmt::format("{}[]", row.path);
    if (node == nullptr || node->items.empty()) {
      // A kernel is there even when nobody describes it.
      if (row.path == "kernels") {
        line(depth, first, "kernels:", "");
        return map(nullptr, item_path, depth + 1, true);
      }
      return line(depth, first, fmt::format("{}: []", name),
                  node == nullptr ? "default" : line_of(*node));
    }
    if (key_row(item_path)->type == KeyType::kCall) {
      line(depth, first, fmt::format("{}:", name), "");
      for (const Node& item : node->items) {
        line(depth + 1, true, flow_text(item), line_of(item));
      }
      return;
    }
    if (key_row(item_path)->type != KeyType::kMap) {
      return line(depth, first, fmt::format("{}: {}", name, flow_text(*node)), line_of(*node));
    }
    line(depth, first, fmt::format("{}:", name), "");
    for (const Node& item : node->items) map(&item, item_path, depth + 1, true);
  }

  static bool has_defaults(std::string_view path) {
    for (const KeyRow* row : rows_below(path)) {
      if (!row->fallback.empty()) return true;
    }
    return false;
  }

  static std::string line_of(const Node& node) {
    return node.at.source != 0 ? "--set" : fmt::format("line {}", node.at.line);
  }

  void line(unsigned depth, bool first_of_item, const std::string& text,
            const std::string& origin) {
    std::string indent(std::size_t{2} * depth, ' ');
    if (first_of_item) indent.replace(indent.size() - 2, 2, "- ");
    std::string all = indent + text;
    if (!origin.empty()) {
      if (all.size() < 44) all.resize(44, ' ');
      all += "  # " + origin;
    }
    out_ += all + "\n";
  }

  std::string out_;
};

}  // namespace

std::string expand(const Loaded& loaded) {
  Writer writer;
  writer.map(&loaded.root, "", 0, false);
  return writer.take();
}

}  // namespace baton::harness
