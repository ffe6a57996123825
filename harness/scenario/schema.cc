#include "harness/scenario/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "harness/scenario/key_text.h"
#include "harness/scenario/source_text.h"
#include "harness/scenario/units.h"

namespace baton::harness {
namespace {

constexpr std::size_t kGuessed = 200;

std::string_view name_of(KeyType type) {
  switch (type) {
    case KeyType::kMap:
    case KeyType::kCall:
      return "a mapping";
    case KeyType::kList:
      return "a list";
    case KeyType::kChoices:
      return "one value or a list of values";
    case KeyType::kValues:
      return "a list of values, a range or all";
    default:
      return "a single value";
  }
}

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

unsigned last_line(const Node& node) {
  unsigned line = node.at.line;
  for (const Node& item : node.items) line = std::max(line, last_line(item));
  for (const Node::Key& key : node.keys) line = std::max(line, key.at.line);
  return line;
}

// Where "name:" stands in a comment within or right behind `node`.
std::optional<Position> commented_out(std::string_view text, const Node& node,
                                      std::string_view name) {
  const unsigned last = last_line(node);
  for (unsigned number = node.at.line;; ++number) {
    const std::string_view line = line_of(text, number);
    const std::size_t hash = line.find('#');
    const std::size_t first = line.find_first_not_of(" \t");
    if (number > last && (first == std::string_view::npos || first != hash)) return std::nullopt;
    if (hash == std::string_view::npos) continue;
    const std::size_t word = line.find_first_not_of(" \t-#", hash);
    if (word == std::string_view::npos) continue;
    const std::string_view rest = line.substr(word);
    if (!rest.starts_with(name) || !rest.substr(name.size()).starts_with(':')) continue;
    return Position{number, static_cast<unsigned>(word + 1), static_cast<unsigned>(name.size())};
  }
}

class Checker {
 public:
  Checker(std::string_view text, Diagnostics& diagnostics)
      : text_(text), diagnostics_(diagnostics) {}

  void check_map(const Node& node, std::string_view path) {
    const std::vector<const KeyRow*> rows = rows_below(path);
    std::vector<std::string_view> names;
    for (const KeyRow* row : rows) names.push_back(last_part(row->path));
    std::vector<std::string_view> meant;  // keys that unknown ones probably stand for
    for (std::size_t i = 0; i < node.keys.size() && i < node.items.size(); ++i) {
      const Node::Key& key = node.keys[i];
      const auto found = std::ranges::find(names, key.text);
      if (found != names.end()) {
        const KeyRow& row = *rows[static_cast<std::size_t>(found - names.begin())];
        // Of a key with nothing in it and a next one that is none, the next one is the mistake.
        const bool torn = node.items[i].kind == Node::Kind::kNull && i + 1 < node.keys.size() &&
                          std::ranges::count(names, node.keys[i + 1].text) == 0;
        if (!torn) check(node.items[i], row);
        continue;
      }
      // Among very many problems nobody asks what each was meant to be.
      const std::string_view guess =
          diagnostics_.size() < kGuessed ? closest(key.text, names) : std::string_view();
      if (!guess.empty()) meant.push_back(guess);
      diagnostics_.add(Problem::kUnknownKey, key.at, fmt::format("unknown key \"{}\"", key.text),
                       guess.empty() ? "" : fmt::format("did you mean \"{}\"?", guess),
                       fmt::format("keys here: {}", join(names)));
    }
    for (const KeyRow* row : rows) {
      const std::string_view name = last_part(row->path);
      if (row->required && node.find(name) == nullptr && !std::ranges::count(meant, name)) {
        // Among very many problems nobody looks for the cause of each.
        const auto comment = diagnostics_.size() < Diagnostics::kShown
                                 ? commented_out(text_, node, name)
                                 : std::nullopt;
        diagnostics_.add(Problem::kMissingKey, comment.value_or(node.at),
                         fmt::format("key \"{}\" is missing", name),
                         comment ? "it is commented out here" : "",
                         fmt::format("{}: {}", name, row->description));
      }
    }
  }

 private:
  void check(const Node& node, const KeyRow& row) {
    switch (row.type) {
      case KeyType::kMap:
        if (node.kind == Node::Kind::kMap) return check_map(node, row.path);
        return wrong_type(node, row);
      case KeyType::kList:
        if (node.kind == Node::Kind::kList) return check_items(node, row);
        return wrong_type(node, row);
      case KeyType::kCall:
        if (node.kind != Node::Kind::kMap) wrong_type(node, row);
        return;
      case KeyType::kChoices:
        if (node.kind == Node::Kind::kScalar) return check_choice(node, row);
        if (node.kind == Node::Kind::kList) {
          for (const Node& item : node.items) {
            item.kind == Node::Kind::kScalar ? check_choice(item, row) : wrong_type(item, row);
          }
          return;
        }
        return wrong_type(node, row);
      case KeyType::kValues:
        if (node.kind == Node::Kind::kScalar || node.kind == Node::Kind::kList) return;
        return wrong_type(node, row);
      default:
        if (node.kind == Node::Kind::kScalar) return check_scalar(node, row);
        return wrong_type(node, row);
    }
  }

  void check_items(const Node& node, const KeyRow& row) {
    const KeyRow* item_row = key_row(fmt::format("{}[]", row.path));
    for (const Node& item : node.items) check(item, *item_row);
  }

  void check_scalar(const Node& node, const KeyRow& row) {
    switch (row.type) {
      case KeyType::kChoice:
        return check_choice(node, row);
      case KeyType::kName:
        if (!is_name(node.text)) {
          diagnostics_.add(Problem::kBadValue, node.at, fmt::format("\"{}\" is no name", node.text),
                           "letters, digits, '-' and '_'");
        }
        return;
      case KeyType::kText:
      case KeyType::kFile:
        if (node.text.find_first_of("\n\r\t") != std::string::npos || first_bad_byte(node.text)) {
          diagnostics_.add(Problem::kBadValue, node.at,
                           fmt::format("{}: cannot read \"{}\"", last_part(row.path), node.text),
                           "one line without control characters");
        }
        return;
      case KeyType::kSize:
        return check_value(node, row, parse_size(node.text));
      case KeyType::kDuration:
        return check_value(node, row, parse_duration(node.text));
      case KeyType::kRate:
        return check_value(node, row, parse_rate(node.text));
      case KeyType::kNumber:
        return check_value(node, row, parse_number(node.text));
      default:
        return;
    }
  }

  void check_value(const Node& node, const KeyRow& row, const ParsedValue& value) {
    const std::string_view name = last_part(row.path);
    if (!value) {
      diagnostics_.add(Problem::kBadValue, node.at,
                       fmt::format("{}: cannot read \"{}\"", name, node.text), value.error(),
                       fmt::format("example: {}: {}", name, row.example));
    } else if (*value < row.minimum || *value > row.maximum) {
      diagnostics_.add(Problem::kOutOfRange, node.at,
                       fmt::format("{}: \"{}\" is out of range", name, node.text), range_text(row));
    }
  }

  void check_choice(const Node& node, const KeyRow& row) {
    std::vector<std::string_view> names;
    std::vector<std::string_view> all;
    for (const Choice& choice : row.choices()) {
      all.push_back(choice.name);
      if (choice.built) names.push_back(choice.name);
      if (choice.name != node.text) continue;
      if (!choice.built) {
        diagnostics_.add(Problem::kNotBuilt, node.at,
                         fmt::format("{} \"{}\": not built yet", subject(row), node.text), "",
                         fmt::format("built: {}", join_built(row)));
      }
      return;
    }
    diagnostics_.add(Problem::kUnknownValue, node.at,
                     fmt::format("unknown {} \"{}\"", subject(row), node.text),
                     did_you_mean(node.text, all), fmt::format("choices: {}", join(names)));
  }

  // "preset" of "kernels[].preset", "defect" of "defects[]".
  static std::string subject(const KeyRow& row) {
    std::string_view name = last_part(row.path);
    if (name.ends_with("s[]")) name.remove_suffix(3);
    if (row.path.starts_with("policies.") || row.path.starts_with("kernels[].policies.")) {
      return fmt::format("policy {}", name);
    }
    if (name == "do") return "step";
    if (row.type == KeyType::kChoices) return "invariant";
    return std::string(name);
  }

  static std::string join(const std::vector<std::string_view>& names) {
    return fmt::format("{}", fmt::join(names, ", "));
  }
  static std::string join_built(const KeyRow& row) {
    std::vector<std::string_view> names;
    for (const Choice& choice : row.choices()) {
      if (choice.built) names.push_back(choice.name);
    }
    return join(names);
  }

  void wrong_type(const Node& node, const KeyRow& row) {
    const bool nothing = node.kind == Node::Kind::kNull;
    const std::string_view next = line_of(text_, node.at.line + 1);
    const std::size_t hash = next.find_first_not_of(" \t");
    if (nothing && hash != std::string_view::npos && next[hash] == '#') {
      const Position comment{node.at.line + 1, static_cast<unsigned>(hash + 1),
                             static_cast<unsigned>(next.size() - hash)};
      diagnostics_.add(Problem::kWrongType, comment,
                       fmt::format("{}: {} is expected, nothing but a comment stands here",
                                   last_part(row.path), name_of(row.type)));
      return;
    }
    diagnostics_.add(Problem::kWrongType, node.at,
                     fmt::format("{}: {} is expected{}", last_part(row.path), name_of(row.type),
                                 nothing ? ", nothing stands here" : ""));
  }

  std::string_view text_;
  Diagnostics& diagnostics_;
};

}  // namespace

void check_against_schema(const Node& root, std::string_view text, Diagnostics& diagnostics) {
  if (root.kind != Node::Kind::kMap) {
    const Position at = root.at.line == 0 ? Position{1, 1, 1} : root.at;
    diagnostics.add(Problem::kWrongType, at,
                    "a scenario is a mapping that starts with \"baton: 1\"");
    return;
  }
  Checker(text, diagnostics).check_map(root, "");
}

}  // namespace baton::harness
