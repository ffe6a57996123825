#include "harness/scenario/json_text.h"

#include <boost/json.hpp>

namespace baton::harness {
namespace {

constexpr std::size_t kLine = 90;

void write(std::string& out, const boost::json::value& value, std::size_t indent) {
  const std::string flat = boost::json::serialize(value);
  if (!value.is_structured() || flat.size() + indent <= kLine) {
    out += flat;
    return;
  }
  const bool is_object = value.is_object();
  out += is_object ? "{" : "[";
  bool first = true;
  const auto next = [&out, &first, indent] {
    if (!first) out.push_back(',');
    out.push_back('\n');
    out.append(indent + 2, ' ');
    first = false;
  };
  if (is_object) {
    for (const auto& member : value.get_object()) {
      next();
      out += boost::json::serialize(member.key());
      out += ": ";
      write(out, member.value(), indent + 2);
    }
  } else {
    for (const boost::json::value& item : value.get_array()) {
      next();
      write(out, item, indent + 2);
    }
  }
  out.push_back('\n');
  out.append(indent, ' ');
  out.push_back(is_object ? '}' : ']');
}

}  // namespace

std::string pretty_json(const boost::json::value& value) {
  std::string out;
  write(out, value, 0);
  out.push_back('\n');
  return out;
}

}  // namespace baton::harness
