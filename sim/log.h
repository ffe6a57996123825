// The human log of a simulation: lines stamped with simulated time and the actor that speaks. It
// explains a run and never influences it; hot paths use observations instead.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "sim/time.h"

namespace baton::sim {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError, kOff };

struct LogLine {
  Time time;
  LogLevel level;
  std::string_view actor;
  std::string_view text;
};

class Log {
 public:
  using Sink = std::function<void(const LogLine&)>;

  explicit Log(const Time& now) : now_(now) {}

  void set_level(LogLevel level) { level_ = level; }
  void set_sink(Sink sink) { sink_ = std::move(sink); }
  bool enabled(LogLevel level) const { return level >= level_ && sink_; }

  template <class... Args>
  void write(LogLevel level, std::string_view actor, fmt::format_string<Args...> format,
             Args&&... args) {
    if (enabled(level)) {
      const std::string text = fmt::format(format, std::forward<Args>(args)...);
      sink_({now_, level, actor, text});
    }
  }

 private:
  const Time& now_;
  LogLevel level_ = LogLevel::kInfo;
  Sink sink_;
};

// "    1312.777 us  info  kernel0  text", fixed columns.
std::string format_line(const LogLine& line);

}  // namespace baton::sim
