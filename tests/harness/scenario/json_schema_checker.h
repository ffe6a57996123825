// JSON Schema draft-07 as far as the scenario's schema uses it. A keyword that it does not know is
// a failure, so that nothing goes unchecked.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <regex>
#include <string>
#include <vector>

namespace baton::testing {

class JsonSchemaChecker {
 public:
  // What is wrong with `value`, each with its path.
  std::vector<std::string> check(const boost::json::value& schema,
                                 const boost::json::value& value) {
    problems_.clear();
    apply(schema.as_object(), value, "");
    return problems_;
  }

 private:
  using Object = boost::json::object;
  using Value = boost::json::value;

  void fail(const std::string& path, const std::string& text) {
    problems_.push_back(fmt::format("{}: {}", path, text));
  }

  static std::string text(const Value& value) { return boost::json::serialize(value); }

  static bool has_type(const Value& value, std::string_view type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_bool();
    if (type == "integer") return value.is_int64() || value.is_uint64();
    return type == "number" && value.is_number();
  }

  void apply(const Object& schema, const Value& value, const std::string& path) {
    for (const auto& member : schema) {
      const std::string keyword(member.key());
      constexpr std::array<std::string_view, 6> kAnnotations{"$schema", "title",    "description",
                                                             "default", "examples", "required"};
      if (keyword == "required" && value.is_object()) {
        for (const Value& name : member.value().as_array()) {
          if (!value.as_object().contains(name.as_string())) {
            fail(path, fmt::format("{} is missing", text(name)));
          }
        }
      }
      if (std::ranges::count(kAnnotations, keyword) != 0) continue;
      if (!apply_keyword(keyword, member.value(), schema, value, path)) {
        fail(path, fmt::format("unknown keyword {}", keyword));
      }
    }
  }

  bool apply_keyword(const std::string& keyword, const Value& rule, const Object& schema,
                     const Value& value, const std::string& path) {
    if (keyword == "type") {
      check_type(rule, value, path);
    } else if (keyword == "properties" || keyword == "additionalProperties") {
      if (keyword == "properties" && value.is_object()) check_properties(schema, value, path);
    } else if (keyword == "items") {
      if (!value.is_array()) return true;
      for (std::size_t i = 0; i < value.as_array().size(); ++i) {
        apply(rule.as_object(), value.as_array()[i], fmt::format("{}[{}]", path, i));
      }
    } else if (keyword == "enum") {
      if (std::ranges::count(rule.as_array(), value) == 0) {
        fail(path, fmt::format("{} is no choice", text(value)));
      }
    } else if (keyword == "pattern") {
      if (!value.is_string()) return true;
      const std::string subject(value.as_string());
      if (!std::regex_search(subject, std::regex(std::string(rule.as_string())))) {
        fail(path, fmt::format("{} does not match", subject));
      }
    } else if (keyword == "minimum" || keyword == "maximum") {
      if (!value.is_number()) return true;
      const auto number = value.to_number<double>();
      const auto bound = rule.to_number<double>();
      if (keyword == "minimum" ? number < bound : number > bound) fail(path, "out of range");
    } else if (keyword == "anyOf") {
      const bool any = std::ranges::any_of(rule.as_array(), [&value](const Value& one) {
        return JsonSchemaChecker().check(one, value).empty();
      });
      if (!any) fail(path, "matches no alternative");
    } else {
      return false;
    }
    return true;
  }

  void check_type(const Value& rule, const Value& value, const std::string& path) {
    bool fits = false;
    if (rule.is_string()) {
      fits = has_type(value, rule.as_string());
    } else {
      for (const Value& one : rule.as_array()) fits = fits || has_type(value, one.as_string());
    }
    if (!fits) fail(path, fmt::format("{} is not of type {}", text(value), text(rule)));
  }

  void check_properties(const Object& schema, const Value& value, const std::string& path) {
    const Object& properties = schema.at("properties").as_object();
    for (const auto& member : value.as_object()) {
      const std::string below = fmt::format("{}.{}", path, std::string(member.key()));
      if (const auto* found = properties.if_contains(member.key())) {
        apply(found->as_object(), member.value(), below);
      } else if (schema.contains("additionalProperties")) {
        fail(below, "is not allowed");
      }
    }
  }

  std::vector<std::string> problems_;
};

}  // namespace baton::testing
