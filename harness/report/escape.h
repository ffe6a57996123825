// Texts made safe for the formats of reports. A scenario may hold any bytes; a report is always
// well-formed.
#pragma once

#include <string>
#include <string_view>

namespace baton::harness {

// Valid UTF-8: bytes that are none become U+FFFD.
std::string clean_utf8(std::string_view text);
// For XML and HTML text and attributes: & < > " ' and what XML 1.0 does not allow.
std::string xml_text(std::string_view text);

}  // namespace baton::harness
