#include "sim/time.h"

#include <fmt/format.h>

#include <array>

namespace baton::sim {

namespace {

struct Unit {
  std::int64_t ps;
  const char* name;
};

constexpr std::array kUnits{Unit{1'000'000'000'000, "s"}, Unit{1'000'000'000, "ms"},
                            Unit{1'000'000, "us"}, Unit{1'000, "ns"}};

}  // namespace

std::string to_string(Duration duration) {
  const bool negative = duration.ps() < 0;
  const std::int64_t ps = negative ? -duration.ps() : duration.ps();
  const char* sign = negative ? "-" : "";
  for (const Unit& unit : kUnits) {
    if (ps >= unit.ps) {
      return fmt::format("{}{}.{:03} {}", sign, ps / unit.ps, ps % unit.ps / (unit.ps / 1000),
                         unit.name);
    }
  }
  return fmt::format("{}{} ps", sign, ps);
}

std::string to_string(Time time) { return to_string(Duration::picoseconds(time.ps())); }

}  // namespace baton::sim
