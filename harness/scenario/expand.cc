// `baton check --expand`: the scenario with every default, in the order of the schema table. The
// comment behind each value says where it comes from.

#include <fmt/format.h>

#include "harness/scenario/key_text.h"
#include "harness/scenario/presets.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/schema.h"

namespace baton::harness {
namespace {

class Writer {
 public:
  explicit Writer(const Loaded& loaded) : root_(loaded.root), kernels_(loaded.scenario.kernels) {
    for (const KernelSpec& kernel : kernels_) {
      mixed_ = mixed_ || kernel.config.preset != kernels_.front().config.preset;
    }
  }

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
        if (node == nullptr && !has_defaults(row.path) && !shows_presets(row)) return;
        return whole_map(row, node, depth, first);
      case KeyType::kList:
        return list(row, node, depth, first);
      case KeyType::kChoices:
      case KeyType::kValues:
        if (node == nullptr) return;
        return line(depth, first, fmt::format("{}: {}", name, flow_text(*node)), line_of(*node));
      default:
        if (node != nullptr) {
          line(depth, first, fmt::format("{}: {}", name, flow_text(*node)), line_of(*node));
        } else if (const auto [value, origin] = default_of(row); !value.empty()) {
          line(depth, first, fmt::format("{}: {}", name, value), origin);
        }
    }
  }

  // Left out where all of it stands elsewhere.
  void whole_map(const KeyRow& row, const Node* node, unsigned depth, bool first) {
    const std::size_t before = out_.size();
    line(depth, first, fmt::format("{}:", last_part(row.path)), "");
    const std::size_t head = out_.size();
    map(node, row.path, depth + 1, false);
    if (out_.size() == head) out_.resize(before);
  }

  // Where presets differ, their policies stand with each kernel instead of at the top.
  bool shows_presets(const KeyRow& row) const {
    return mixed_ && row.path == "kernels[].policies" && kernel_ < kernels_.size();
  }

  std::pair<std::string_view, std::string> default_of(const KeyRow& row) const {
    const std::string origin = row.origin.empty() ? "default" : std::string(row.origin);
    const std::string_view key = last_part(row.path);
    const bool of_kernel = row.path.starts_with("kernels[].policies.");
    if (!row.path.starts_with("policies.") && !of_kernel) return {row.fallback, origin};
    const std::size_t kernel = of_kernel ? kernel_ : 0;
    const Node* given = root_.find("policies");
    const bool elsewhere = of_kernel != mixed_ || (given != nullptr && given->find(key) != nullptr);
    if (elsewhere || kernel >= kernels_.size()) return {"", ""};
    const PresetConfig& preset = preset_config(kernels_[kernel].config.preset);
    const std::string_view value = policy_text(preset.policies, key);
    if (value.empty()) return {of_kernel ? "" : row.fallback, origin};
    return {value, fmt::format("preset {}", preset.id)};
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
    kernel_ = 0;
    for (const Node& item : node->items) {
      map(&item, item_path, depth + 1, true);
      ++kernel_;
    }
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

  const Node& root_;
  const std::vector<KernelSpec>& kernels_;
  bool mixed_ = false;
  std::size_t kernel_ = 0;  // whose keys are being written
  std::string out_;
};

}  // namespace

std::string expand(const Loaded& loaded) {
  Writer writer(loaded);
  writer.map(&loaded.root, "", 0, false);
  return writer.take();
}

}  // namespace baton::harness
