#include "harness/report/json_text.h"

#include <boost/json.hpp>

#include "harness/report/escape.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

std::string text_of(std::string_view text) {
  return json::serialize(json::value(clean_utf8(text)));
}

void write(std::string& out, const json::value& value, std::size_t depth) {
  const std::string inner((depth + 1) * 2, ' ');
  const std::string outer(depth * 2, ' ');
  if (value.is_object() && !value.get_object().empty()) {
    const char* before = "{\n";
    for (const auto& [key, member] : value.get_object()) {
      out += before + inner + text_of(key) + ": ";
      write(out, member, depth + 1);
      before = ",\n";
    }
    out += "\n" + outer + "}";
  } else if (value.is_array() && !value.get_array().empty()) {
    const char* before = "[\n";
    for (const json::value& element : value.get_array()) {
      out += before + inner;
      write(out, element, depth + 1);
      before = ",\n";
    }
    out += "\n" + outer + "]";
  } else if (value.is_string()) {
    out += text_of(value.get_string());
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string json_text(const json::value& value) {
  std::string out;
  write(out, value, 0);
  out.push_back('\n');
  return out;
}

}  // namespace baton::harness
