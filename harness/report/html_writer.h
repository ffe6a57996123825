// The small tools of the HTML report: escaped texts, cells.
#pragma once

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>

#include "harness/report/escape.h"
#include "sim/time.h"

namespace baton::harness {

class Html {
 public:
  // Markup as it is. Arguments are NOT escaped: use t() for texts that come from a scenario.
  template <class... Args>
  Html& add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    return *this;
  }
  Html& raw(std::string_view markup) {
    text_ += markup;
    return *this;
  }
  Html& t(std::string_view text) {
    text_ += xml_text(text);
    return *this;
  }
  // <td class="...">text</td>
  Html& cell(std::string_view text, std::string_view style = {});

  std::size_t size() const { return text_.size(); }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace baton::harness
