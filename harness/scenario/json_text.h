// JSON for people and for version control: two spaces of indentation, keys in the order in which
// they were added, short values on one line.
#pragma once

#include <boost/json/value.hpp>
#include <string>

namespace baton::harness {

// With a newline at the end.
std::string pretty_json(const boost::json::value& value);

}  // namespace baton::harness
