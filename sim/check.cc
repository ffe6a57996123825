#include "sim/check.h"

#include <fmt/format.h>

namespace baton::sim {

namespace {

std::string_view base_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

void check_failed(const char* file, int line, const char* condition, std::string_view message) {
  throw BugError(
      fmt::format("{}:{}: check failed: {} ({})", base_name(file), line, message, condition));
}

}  // namespace baton::sim
