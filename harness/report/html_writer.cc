#include "harness/report/html_writer.h"

namespace baton::harness {

std::string escape_html(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        // Control characters have no place in HTML, also when escaped.
        result += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?' : c;
    }
  }
  return result;
}

Html& Html::cell(std::string_view text, std::string_view style) {
  raw("<td");
  if (!style.empty()) add(" class=\"{}\"", style);
  return raw(">").t(text).raw("</td>");
}

}  // namespace baton::harness
