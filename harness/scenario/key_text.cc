#include "harness/scenario/key_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/scenario/units.h"

namespace baton::harness {
namespace {

Node scalar(std::string_view text) {
  Node node;
  node.kind = Node::Kind::kScalar;
  node.text = text;
  return node;
}

Node example_map(const KeyRow& row) {
  Node node;
  node.kind = Node::Kind::kMap;
  const std::vector<const KeyRow*> rows = rows_below(row.path);
  const bool any = std::ranges::any_of(rows, &KeyRow::required);
  for (const KeyRow* below : rows) {
    if (any && !below->required && last_part(below->path) != row.example) continue;
    node.keys.push_back({std::string(last_part(below->path)), {}});
    node.items.push_back(example_of(*below));
    if (!any) break;
  }
  return node;
}

std::string quoted(const std::string& text) {
  const bool plain =
      !text.empty() && text.find_first_of(":#{}[],&*!|>'\"%@`\\\n\t") == std::string::npos &&
      text.front() != '-' && text.front() != '?' && text.front() != ' ' && text.back() != ' ';
  if (plain) return text;
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result.push_back('\\');
    if (c == '\n') {
      result += "\\n";
    } else {
      result.push_back(c);
    }
  }
  return result + "\"";
}

}  // namespace

std::string_view type_text(KeyType type) {
  switch (type) {
    case KeyType::kMap:
      return "a mapping";
    case KeyType::kList:
      return "a list";
    case KeyType::kText:
      return "a text";
    case KeyType::kName:
      return "a name: letters, digits, '-' and '_'";
    case KeyType::kFile:
      return "a file, relative to the scenario's folder";
    case KeyType::kSize:
      return "a size with its unit";
    case KeyType::kDuration:
      return "a duration with its unit";
    case KeyType::kRate:
      return "a rate with its unit";
    case KeyType::kNumber:
      return "a number, decimal or hexadecimal with 0x";
    case KeyType::kChoice:
      return "one of the choices";
    case KeyType::kChoices:
      return "one of the choices, or a list of them";
    case KeyType::kCall:
      return "a system call: see below";
    case KeyType::kBound:
      return "a size, a duration or a number, by what is measured";
    case KeyType::kValues:
      return "a list of values, `LOW..HIGH`, `LOW..HIGH..STEP`, `LOW..HIGH..*FACTOR`, or `all`";
  }
  return "";
}

std::string range_text(const KeyRow& row) {
  const auto show = [&row](std::uint64_t value) -> std::string {
    switch (row.type) {
      case KeyType::kSize:
        return format_size(value);
      case KeyType::kRate:
        return format_rate(value);
      case KeyType::kDuration:
        return format_duration(value);
      default:
        return fmt::to_string(value);
    }
  };
  switch (row.type) {
    case KeyType::kSize:
    case KeyType::kDuration:
    case KeyType::kRate:
    case KeyType::kNumber:
      return fmt::format("{} to {}", show(row.minimum), show(row.maximum));
    default:
      return "";
  }
}

std::vector<Choice> built_choices(const KeyRow& row) {
  std::vector<Choice> result;
  if (row.choices == nullptr) return result;
  for (const Choice& choice : row.choices()) {
    if (choice.built) result.push_back(choice);
  }
  return result;
}

Node example_of(const KeyRow& row) {
  if (row.type == KeyType::kMap) return example_map(row);
  if (row.type == KeyType::kList) {
    Node node;
    node.kind = Node::Kind::kList;
    node.items.push_back(example_of(*key_row(fmt::format("{}[]", row.path))));
    return node;
  }
  if (row.type == KeyType::kCall) {
    Node node;
    node.kind = Node::Kind::kMap;
    node.keys.push_back({"pause", {}});
    node.items.push_back(scalar("forever"));
    return node;
  }
  if (!row.example.empty()) return scalar(row.example);
  if (!row.fallback.empty()) return scalar(row.fallback);
  const std::vector<Choice> choices = built_choices(row);
  return scalar(choices.empty() ? std::string_view() : choices.front().name);
}

std::string flow_text(const Node& node) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const std::string item = flow_text(node.items[i]);
    parts.push_back(node.kind == Node::Kind::kMap
                        ? fmt::format("{}: {}", quoted(node.keys[i].text), item)
                        : item);
  }
  switch (node.kind) {
    case Node::Kind::kMap:
      return fmt::format("{{{}}}", fmt::join(parts, ", "));
    case Node::Kind::kList:
      return fmt::format("[{}]", fmt::join(parts, ", "));
    case Node::Kind::kScalar:
      return quoted(node.text);
    case Node::Kind::kNull:
      break;
  }
  return "";
}

std::string example_text(const KeyRow& row) { return flow_text(example_of(row)); }

}  // namespace baton::harness
