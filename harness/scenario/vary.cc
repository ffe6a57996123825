#include "harness/scenario/vary.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "harness/scenario/key_text.h"
#include "harness/scenario/schema.h"
#include "harness/scenario/units.h"

namespace baton::harness {
namespace {

// "kernels[].policies.reinject" of "kernels[1].policies.reinject".
std::string table_path(std::string_view key) {
  std::string path;
  bool inside = false;
  for (const char c : key) {
    if (!inside || c == ']') path.push_back(c);
    if (c == '[') inside = true;
    if (c == ']') inside = false;
  }
  return path;
}

ParsedValue parse_value(KeyType type, std::string_view text) {
  switch (type) {
    case KeyType::kSize:
      return parse_size(text);
    case KeyType::kDuration:
      return parse_duration(text);
    case KeyType::kRate:
      return parse_rate(text);
    case KeyType::kNumber:
      return parse_number(text);
    default:
      return std::unexpected("it has no range: list its values");
  }
}

std::string format_value(KeyType type, std::uint64_t value) {
  switch (type) {
    case KeyType::kSize:
      return format_size(value);
    case KeyType::kDuration:
      return format_duration(value);
    case KeyType::kRate:
      return format_rate(value);
    default:
      return fmt::to_string(value);
  }
}

class Reader {
 public:
  explicit Reader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  // The dimension of a key; nothing after a diagnostic.
  std::optional<Dimension> of_key(const std::string& key, Position at, const Node& values) {
    const KeyRow* row = key_row(table_path(key));
    const bool own = key.starts_with("vary") || key.starts_with("exclude") || key == "baton";
    if (row == nullptr || own) {
      std::vector<std::string_view> paths;
      for (const KeyRow& known : key_rows()) paths.push_back(known.path);
      diagnostics_.add(Problem::kUnknownKey, at,
                       own ? fmt::format("\"{}\" cannot be varied", key)
                           : fmt::format("unknown key \"{}\"", key),
                       own ? std::string() : did_you_mean(table_path(key), paths),
                       "a key is written like kernels[0].policies.reinject");
      return std::nullopt;
    }
    Dimension dimension{key, {}, at};
    if (!read_values(*row, values, dimension)) return std::nullopt;
    return check_labels(dimension, values.at) ? std::optional(std::move(dimension)) : std::nullopt;
  }

  std::optional<Dimension> of_entry(const Node& entry) {
    const Node* key = entry.find("key");
    const Node* values = entry.find("values");
    const Node* name = entry.find("name");
    const Node* alternatives = entry.find("alternatives");
    const bool by_key = key != nullptr && values != nullptr;
    const bool by_name = name != nullptr && alternatives != nullptr;
    if (by_key == by_name || (by_name && (key != nullptr || values != nullptr)) ||
        (by_key && alternatives != nullptr)) {
      return refuse(Problem::kConflict, entry.at,
                    "a dimension is key and values, or name and alternatives");
    }
    std::optional<Dimension> dimension;
    if (by_key) {
      dimension = of_key(key->text, key->at, *values);
      if (dimension && name != nullptr) dimension->name = name->text;
    } else {
      dimension = of_alternatives(*name, *alternatives);
    }
    return dimension;
  }

 private:
  std::nullopt_t refuse(Problem problem, Position at, std::string message, std::string help = {}) {
    diagnostics_.add(problem, at, std::move(message), "", std::move(help));
    return std::nullopt;
  }

  std::optional<Dimension> of_alternatives(const Node& name, const Node& list) {
    Dimension dimension{name.text, {}, name.at};
    for (const Node& item : list.items) {
      Alternative alternative{item.find("name")->text, {}};
      if (const Node* set = item.find("set")) {
        for (const Node& text : set->items) alternative.set.push_back(text.text);
      }
      dimension.alternatives.push_back(std::move(alternative));
    }
    return check_labels(dimension, list.at) ? std::optional(std::move(dimension)) : std::nullopt;
  }

  bool check_labels(const Dimension& dimension, Position at) {
    if (dimension.alternatives.empty()) {
      refuse(Problem::kBadValue, at, fmt::format("{}: nothing to vary", dimension.name));
      return false;
    }
    if (dimension.alternatives.size() > kAlternativesMax) {
      refuse(Problem::kOutOfRange, at,
             fmt::format("{}: more than {} alternatives", dimension.name, kAlternativesMax));
      return false;
    }
    std::vector<std::string_view> labels;
    for (const Alternative& one : dimension.alternatives) labels.push_back(one.label);
    std::ranges::sort(labels);
    const auto twice = std::ranges::adjacent_find(labels);
    if (twice == labels.end()) return true;
    refuse(Problem::kDuplicateName, at,
           fmt::format("{}: \"{}\" stands there twice", dimension.name, *twice));
    return false;
  }

  bool read_values(const KeyRow& row, const Node& values, Dimension& dimension) {
    if (values.kind == Node::Kind::kList) {
      for (const Node& item : values.items) add(dimension, item);
      return true;
    }
    if (values.kind != Node::Kind::kScalar) {
      refuse(Problem::kWrongType, values.at, "values: a list, a range or all is expected");
      return false;
    }
    if (values.text == "all") return add_all(row, values, dimension);
    if (values.text.find("..") != std::string::npos) return add_range(row, values, dimension);
    add(dimension, values);
    return true;
  }

  static void add(Dimension& dimension, const Node& value) {
    const std::string text = flow_text(value);
    dimension.alternatives.push_back({value.kind == Node::Kind::kScalar ? value.text : text,
                                      {fmt::format("{}={}", dimension.name, text)}});
  }

  static void add_text(Dimension& dimension, std::string_view value) {
    dimension.alternatives.push_back(
        {std::string(value), {fmt::format("{}={}", dimension.name, value)}});
  }

  // Every choice; of a list of choices none, and each by itself.
  bool add_all(const KeyRow& row, const Node& values, Dimension& dimension) {
    if (row.type == KeyType::kChoice) {
      for (const Choice& choice : built_choices(row)) add_text(dimension, choice.name);
      return true;
    }
    const KeyRow* item =
        row.type == KeyType::kList ? key_row(fmt::format("{}[]", row.path)) : nullptr;
    if (item != nullptr && item->type == KeyType::kChoice) {
      add_text(dimension, "[]");
      for (const Choice& choice : built_choices(*item)) {
        add_text(dimension, fmt::format("[{}]", choice.name));
      }
      return true;
    }
    refuse(Problem::kBadValue, values.at,
           fmt::format("{}: it has no choices, so that \"all\" means nothing", dimension.name),
           "list its values, or give a range");
    return false;
  }

  // LOW..HIGH, LOW..HIGH..STEP, LOW..HIGH..*FACTOR
  bool add_range(const KeyRow& row, const Node& values, Dimension& dimension) {
    const std::string_view text = values.text;
    const std::size_t first = text.find("..");
    const std::size_t second = text.find("..", first + 2);
    const bool has_step = second != std::string_view::npos;
    const ParsedValue low = parse_value(row.type, text.substr(0, first));
    const ParsedValue high =
        parse_value(row.type, text.substr(first + 2, has_step ? second - first - 2 : text.npos));
    const std::string_view by = has_step ? text.substr(second + 2) : std::string_view();
    const bool factor = by.starts_with('*');
    const bool plain = row.type == KeyType::kNumber && !has_step;
    const ParsedValue step = plain    ? ParsedValue(1)
                             : factor ? parse_number(by.substr(1))
                                      : parse_value(row.type, by);
    for (const ParsedValue* part : {&low, &high, &step}) {
      if (part->has_value()) continue;
      refuse(Problem::kBadValue, values.at,
             fmt::format("{}: cannot read \"{}\": {}", dimension.name, text, part->error()),
             "LOW..HIGH of numbers, LOW..HIGH..STEP or LOW..HIGH..*FACTOR of all that has a unit");
      return false;
    }
    const bool endless = factor ? *step < 2 || *low == 0 : *step == 0;
    if (*low > *high || endless) {
      refuse(Problem::kBadValue, values.at,
             fmt::format("{}: \"{}\" is no range", dimension.name, text),
             "LOW is at most HIGH, and a step moves on");
      return false;
    }
    for (std::uint64_t value = *low;;) {
      add_text(dimension, format_value(row.type, value));
      if (dimension.alternatives.size() > kAlternativesMax) return true;  // check_labels says so
      if (factor ? value > *high / *step : *high - value < *step) return true;
      value = factor ? value * *step : value + *step;
    }
  }

  Diagnostics& diagnostics_;
};

// "[a, b]" but not "[a], [b]".
bool is_one_list(std::string_view text) {
  if (!text.starts_with('[')) return false;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') ++depth;
    if (text[i] == ']' && --depth == 0) return i + 1 == text.size();
  }
  return true;  // the YAML reader says what is wrong
}

// Shifts the places of a value that was read out of a longer text.
void shift(Node& node, std::size_t by, unsigned source) {
  const auto move = [&](Position& at) {
    at.line = 1;
    at.column = static_cast<unsigned>(std::max<std::size_t>(1, at.column + by));
    at.source = source;
  };
  move(node.at);
  for (Node::Key& key : node.keys) move(key.at);
  for (Node& item : node.items) shift(item, by, source);
}

void put(VarySpec& spec, Dimension dimension, bool replace, Diagnostics& diagnostics) {
  const auto found = std::ranges::find(spec.dimensions, dimension.name, &Dimension::name);
  if (found == spec.dimensions.end()) {
    spec.dimensions.push_back(std::move(dimension));
  } else if (replace) {
    *found = std::move(dimension);
  } else {
    diagnostics.add(Problem::kDuplicateName, dimension.at,
                    fmt::format("\"{}\" is varied twice", dimension.name));
  }
}

void read_exclusion(const Node& entry, VarySpec& spec, Diagnostics& diagnostics) {
  Exclusion exclusion{{}, entry.find("because")->text, entry.at};
  for (const Node& item : entry.find("when")->items) {
    // Keys hold no '=', values may.
    const std::size_t equals = item.text.find('=');
    if (equals == std::string::npos) {
      diagnostics.add(Problem::kBadValue, item.at, "DIMENSION=ALTERNATIVE is expected");
      continue;
    }
    exclusion.when.emplace_back(item.text.substr(0, equals), item.text.substr(equals + 1));
  }
  if (exclusion.when.empty()) {
    diagnostics.add(Problem::kBadValue, entry.at, "this would leave out everything");
    return;
  }
  spec.exclude.push_back(std::move(exclusion));
}

}  // namespace

VarySpec read_vary(const Node& root, Diagnostics& diagnostics) {
  VarySpec spec;
  if (const Node* vary = root.find("vary")) {
    for (const Node& entry : vary->items) {
      if (auto dimension = Reader(diagnostics).of_entry(entry)) {
        put(spec, std::move(*dimension), false, diagnostics);
      }
    }
  }
  if (const Node* exclude = root.find("exclude")) {
    for (const Node& entry : exclude->items) read_exclusion(entry, spec, diagnostics);
  }
  return spec;
}

void add_vary(VarySpec& spec, std::string_view text, Diagnostics& diagnostics) {
  const unsigned source = diagnostics.add_source("--vary", std::string(text));
  const std::size_t equals = text.find('=');
  const auto place = [&](std::size_t from, std::size_t length) {
    return Position{1, static_cast<unsigned>(from + 1),
                    static_cast<unsigned>(std::max<std::size_t>(1, length)), source};
  };
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) {
    diagnostics.add(Problem::kBadValue, place(0, text.size()), "KEY=VALUES is expected", "",
                    "for example policies.reinject=all, or vms[0].workload.depth=2..8");
    return;
  }
  const std::string_view given = text.substr(equals + 1);
  const bool single = given.find(',') == std::string_view::npos;
  const bool bare = is_one_list(given) || (single && !given.starts_with('['));
  Diagnostics problems;
  Node values = read_yaml(bare ? std::string(given) : fmt::format("[{}]", given), problems);
  const std::size_t by = bare ? equals + 1 : equals;
  for (const Diagnostic& problem : problems.sorted()) {
    Position at = problem.at;
    at.column += static_cast<unsigned>(by);
    at.source = source;
    diagnostics.add(problem.problem, at, problem.message, problem.caret_note, problem.help);
  }
  if (!problems.empty()) return;
  shift(values, by, source);
  const std::string key(text.substr(0, equals));
  if (auto dimension = Reader(diagnostics).of_key(key, place(0, equals), values)) {
    put(spec, std::move(*dimension), true, diagnostics);
  }
}

void check_exclusions(const VarySpec& spec, Diagnostics& diagnostics) {
  for (const Exclusion& exclusion : spec.exclude) {
    for (const auto& [name, label] : exclusion.when) {
      const auto dimension = std::ranges::find(spec.dimensions, name, &Dimension::name);
      if (dimension == spec.dimensions.end()) {
        std::vector<std::string_view> names;
        for (const Dimension& one : spec.dimensions) names.push_back(one.name);
        diagnostics.add(Problem::kUnknownName, exclusion.at,
                        fmt::format("\"{}\" is not varied", name), did_you_mean(name, names));
      } else if (std::ranges::count(dimension->alternatives, label, &Alternative::label) == 0) {
        std::vector<std::string_view> labels;
        for (const Alternative& one : dimension->alternatives) labels.push_back(one.label);
        diagnostics.add(Problem::kUnknownName, exclusion.at,
                        fmt::format("\"{}\" has no alternative \"{}\"", name, label),
                        did_you_mean(label, labels));
      }
    }
  }
}

}  // namespace baton::harness
