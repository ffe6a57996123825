#include "sim/log.h"

#include <array>

namespace baton::sim {

namespace {
constexpr std::array kNames{"debug", "info", "warn", "error", "off"};
}

std::string format_line(const LogLine& line) {
  return fmt::format("{:>14}  {:<5}  {:<10}  {}", to_string(line.time),
                     kNames[static_cast<std::size_t>(line.level)], line.actor, line.text);
}

}  // namespace baton::sim
