// JSON as text: one member or element a line, in the order in which they were put in. Boost.JSON
// itself writes everything on one line.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

namespace baton::harness {

// With a newline at the end. Texts are made valid UTF-8.
std::string json_text(const boost::json::value& value);

}  // namespace baton::harness
