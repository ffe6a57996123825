// The JSON Schema of key_reference.h. What it cannot say (a size within its range, names that
// exist, keys that exclude each other) the parser checks.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "harness/scenario/call_rows.h"
#include "harness/scenario/json_text.h"
#include "harness/scenario/key_reference.h"
#include "harness/scenario/key_text.h"
#include "harness/scenario/units.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

constexpr const char* kSizeUnits = "(B|KiB|MiB|GiB|TiB|kB|MB|GB)";
constexpr const char* kDurationUnits = "(ps|ns|us|ms|s)";
constexpr const char* kNumberPattern = "^(0x[0-9a-fA-F]+|[0-9]+)$";
constexpr const char* kDecimal = "[0-9]+(\\.[0-9]{1,9})?";

// An editor's YAML reader makes an integer of what looks like one.
json::value scalar_value(std::string_view text) {
  if (const ParsedValue number = parse_number(text)) return json::value(*number);
  return json::value(text);
}

json::value example_value(const Node& node) {
  if (node.kind == Node::Kind::kMap) {
    json::object object;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      object[node.keys[i].text] = example_value(node.items[i]);
    }
    return object;
  }
  if (node.kind == Node::Kind::kList) {
    json::array array;
    for (const Node& item : node.items) array.push_back(example_value(item));
    return array;
  }
  return scalar_value(node.text);
}

std::string full_description(const KeyRow& row) {
  std::string text(row.description);
  if (const std::string range = range_text(row); !range.empty())
    text += fmt::format(" ({})", range);
  for (const Choice& choice : built_choices(row)) {
    if (!choice.text.empty()) text += fmt::format("\n- {}: {}", choice.name, choice.text);
  }
  return text;
}

json::array choice_values(const KeyRow& row) {
  json::array values;
  for (const Choice& choice : built_choices(row)) {
    values.push_back(scalar_value(choice.name));
    // A quoted number is a text to an editor and the same to the parser.
    if (!values.back().is_string()) values.push_back(json::value(choice.name));
  }
  return values;
}

void add_pattern(json::object& schema, const std::string& pattern) {
  schema["type"] = "string";
  schema["pattern"] = pattern;
}

json::object schema_of(const KeyRow& row);

void add_properties(json::object& schema, std::string_view path) {
  json::object properties;
  json::array required;
  for (const KeyRow* row : rows_below(path)) {
    properties[last_part(row->path)] = schema_of(*row);
    if (row->required) required.emplace_back(last_part(row->path));
  }
  schema["type"] = "object";
  schema["additionalProperties"] = false;
  if (!required.empty()) schema["required"] = std::move(required);
  schema["properties"] = std::move(properties);
}

// What belongs to which call the parser checks.
void add_call(json::object& schema) {
  json::object properties;
  for (const std::string_view key : all_call_keys()) {
    const CallRow* call = call_row(key);
    properties[key] =
        call == nullptr ? json::object{} : json::object{{"description", json::value(call->text)}};
  }
  schema["type"] = "object";
  schema["additionalProperties"] = false;
  schema["properties"] = std::move(properties);
}

void add_type(json::object& schema, const KeyRow& row) {
  switch (row.type) {
    case KeyType::kMap:
      return add_properties(schema, row.path);
    case KeyType::kList:
      schema["type"] = "array";
      schema["items"] = schema_of(*key_row(fmt::format("{}[]", row.path)));
      return;
    case KeyType::kText:
    case KeyType::kFile:
      schema["type"] = json::array{"string", "number", "boolean"};
      return;
    case KeyType::kName:
      schema["type"] = json::array{"string", "integer"};
      schema["pattern"] = "^[A-Za-z0-9_-]+$";
      return;
    case KeyType::kSize:
      return add_pattern(schema, fmt::format("^{}{}$", kDecimal, kSizeUnits));
    case KeyType::kDuration:
      return add_pattern(schema, fmt::format("^{}{}$", kDecimal, kDurationUnits));
    case KeyType::kRate:
      return add_pattern(schema, fmt::format("^{}{}/s$", kDecimal, kSizeUnits));
    case KeyType::kNumber:
      schema["type"] = json::array{"integer", "string"};
      schema["pattern"] = kNumberPattern;
      schema["minimum"] = row.minimum;
      schema["maximum"] = row.maximum;
      return;
    case KeyType::kChoice:
      schema["enum"] = choice_values(row);
      return;
    case KeyType::kChoices: {
      const json::array values = choice_values(row);
      const json::object one{{"enum", values}};
      schema["anyOf"] = json::array{one, json::object{{"type", "array"}, {"items", one}}};
      return;
    }
    case KeyType::kCall:
      return add_call(schema);
    case KeyType::kValues:
      schema["type"] = json::array{"array", "string", "integer"};
      return;
    case KeyType::kBound:
      schema["type"] = json::array{"integer", "string"};
      schema["pattern"] =
          fmt::format("^(0x[0-9a-fA-F]+|[0-9]+|{}({}|{}))$", kDecimal, kSizeUnits, kDurationUnits);
      return;
  }
}

json::object schema_of(const KeyRow& row) {
  json::object schema;
  schema["description"] = full_description(row);
  if (!row.fallback.empty() && !row.required) schema["default"] = scalar_value(row.fallback);
  schema["examples"] = json::array{example_value(example_of(row))};
  add_type(schema, row);
  return schema;
}

}  // namespace

std::string scenario_schema() {
  json::object schema;
  schema["$schema"] = "http://json-schema.org/draft-07/schema#";
  schema["title"] = "A baton scenario";
  schema["description"] =
      "A host, its kernels, its VMs, what the operator does and what must come out. Generated by "
      "`baton schema`; `baton check` finds what a schema cannot say.";
  add_properties(schema, "");
  return pretty_json(schema);
}

}  // namespace baton::harness
