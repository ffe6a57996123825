#include "harness/report/html_writer.h"

namespace baton::harness {

Html& Html::cell(std::string_view text, std::string_view style) {
  raw("<td");
  if (!style.empty()) add(" class=\"{}\"", style);
  return raw(">").t(text).raw("</td>");
}

}  // namespace baton::harness
