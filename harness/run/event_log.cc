#include "harness/run/event_log.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "harness/report/json_text.h"
#include "harness/report/token.h"
#include "harness/report/transition_report.h"
#include "harness/run/host_builder.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

constexpr std::size_t kLinesShown = 6;
// A longer line is none of ours.
constexpr std::size_t kLineMax = 1 << 20;

enum class LineKind : std::uint8_t { kBegin, kEvent, kEnd };

// One of the two files, a line at a time.
class Reader {
 public:
  Reader(std::istream& in, const std::string& name) : in_(in), name_(name) {}

  // False at the end of the file, and when something is wrong.
  bool next() {
    if (!error_.empty() || !std::getline(in_, text_)) return false;
    ++number_;
    if (text_.size() > kLineMax) return fail("a line that is too long");
    boost::system::error_code wrong;
    json::value value = json::parse(text_, wrong);
    if (wrong || !value.is_object()) return fail("no JSON object");
    object_ = std::move(value.as_object());
    if (object_.contains("baton_events")) {
      kind_ = LineKind::kBegin;
      return begin();
    }
    if (number_ == 1) return fail("a log of events begins with \"baton_events\"");
    kind_ = object_.contains("fingerprint") ? LineKind::kEnd : LineKind::kEvent;
    if (kind_ == LineKind::kEnd) {
      side_.fingerprint = text("fingerprint");
      side_.events = count("events");
    }
    return error_.empty();
  }

  LineKind kind() const { return kind_; }
  const std::string& raw() const { return text_; }
  const std::string& error() const { return error_; }
  LogDiff::Side& side() { return side_; }

  DiffLine line() {
    const std::uint64_t at = count("time_ps");
    return {count("event"), sim::Time() + sim::Duration::picoseconds(static_cast<std::int64_t>(at)),
            text("actor"), text("text")};
  }

 private:
  bool fail(std::string_view what) {
    if (error_.empty()) error_ = fmt::format("{}:{}: {}", name_, number_, what);
    return false;
  }

  bool begin() {
    constexpr std::uint64_t kVersion = 1;
    if (count("baton_events") != kVersion) return fail("a log of another version");
    side_ = {};
    side_.scenario = text("scenario");
    side_.seed = count("seed");
    side_.digest = text("digest");
    const json::value* set = object_.if_contains("set");
    if (set == nullptr || !set->is_array()) return fail("\"set\" is no list");
    for (const json::value& one : set->as_array()) {
      if (!one.is_string()) return fail("\"set\" has something else than texts");
      side_.set.emplace_back(one.as_string());
    }
    return error_.empty();
  }

  std::string text(std::string_view key) {
    const json::value* value = object_.if_contains(key);
    if (value != nullptr && value->is_string()) return std::string(value->as_string());
    fail(fmt::format("no text \"{}\"", key));
    return {};
  }

  std::uint64_t count(std::string_view key) {
    const json::value* value = object_.if_contains(key);
    boost::system::error_code wrong;
    const auto number = value == nullptr ? 0 : value->to_number<std::int64_t>(wrong);
    if (value != nullptr && !wrong && number >= 0) return static_cast<std::uint64_t>(number);
    fail(fmt::format("no number \"{}\"", key));
    return 0;
  }

  std::istream& in_;
  const std::string& name_;
  std::uint64_t number_ = 0;
  std::string text_;
  std::string error_;
  json::object object_;
  LineKind kind_ = LineKind::kBegin;
  LogDiff::Side side_;
};

// Those of this run from here on; then what it came to.
void keep_rest(Reader& reader, bool there) {
  for (; there && reader.kind() == LineKind::kEvent; there = reader.next()) {
    if (reader.side().lines.size() < kLinesShown) reader.side().lines.push_back(reader.line());
  }
}

json::value line_value(const DiffLine& line) {
  return json::object{{"event", line.event},
                      {"time_ps", line.time.ps()},
                      {"actor", line.actor},
                      {"text", line.text}};
}

json::value side_value(const LogDiff::Side& side) {
  json::array lines;
  for (const DiffLine& line : side.lines) lines.push_back(line_value(line));
  return json::object{
      {"scenario", side.scenario}, {"seed", side.seed},     {"set", json::value_from(side.set)},
      {"digest", side.digest},     {"events", side.events}, {"fingerprint", side.fingerprint},
      {"lines", std::move(lines)}};
}

std::string line_text(std::string_view which, const DiffLine& line) {
  return fmt::format("  {:<7} {:>14} {:>9}  {:<12} {}\n", which, format_microseconds(line.time),
                     line.event, line.actor, line.text);
}

}  // namespace

void EventLog::begin(const Loaded& loaded, std::uint64_t seed) {
  const json::object first{{"baton_events", 1},
                           {"scenario", loaded.file},
                           {"title", loaded.scenario.title},
                           {"seed", seed},
                           {"set", json::value_from(loaded.overrides)},
                           {"digest", scenario_digest(loaded)}};
  out_ << json::serialize(first) << "\n";
}

void EventLog::line(std::uint64_t event, const sim::LogLine& line) {
  out_ << json::serialize(json::object{{"event", event},
                                       {"time_ps", line.time.ps()},
                                       {"actor", std::string_view(line.actor)},
                                       {"text", std::string_view(line.text)}})
       << "\n";
}

void EventLog::end(const RunResult& result) {
  out_ << json::serialize(json::object{{"end_ps", result.end.ps()},
                                       {"events", result.events},
                                       {"fingerprint", result.fingerprint}})
       << "\n";
}

bool is_event_log(std::istream& in) { return in.peek() == '{'; }

std::expected<LogDiff, std::string> diff_logs(std::istream& a, const std::string& name_a,
                                              std::istream& b, const std::string& name_b) {
  Reader in_a(a, name_a);
  Reader in_b(b, name_b);
  LogDiff diff;
  bool there_a = in_a.next();
  bool there_b = in_b.next();
  bool equal = true;
  while (there_a && there_b) {
    if (in_a.kind() != in_b.kind()) break;
    if (in_a.kind() == LineKind::kBegin) {
      ++diff.runs;
      diff.common.reset();
    } else if (in_a.raw() != in_b.raw()) {
      break;
    } else if (in_a.kind() == LineKind::kEvent) {
      diff.common = in_a.line();
    }
    there_a = in_a.next();
    there_b = in_b.next();
  }
  equal = !there_a && !there_b;
  if (!equal) {
    keep_rest(in_a, there_a);
    keep_rest(in_b, there_b);
  }
  for (const Reader* reader : {&in_a, &in_b}) {
    if (!reader->error().empty()) return std::unexpected(reader->error());
  }
  if (diff.runs == 0) return std::unexpected(fmt::format("{}: no run", name_a));
  diff.same = equal;
  diff.a = std::move(in_a.side());
  diff.b = std::move(in_b.side());
  return diff;
}

std::string format_log_diff(const LogDiff& diff) {
  std::string out;
  for (const auto& [which, side] : {std::pair{"A", &diff.a}, std::pair{"B", &diff.b}}) {
    out += fmt::format("  {}  {}  seed {}  digest {}\n", which, side->scenario, side->seed,
                       side->digest);
    for (const std::string& set : side->set) out += fmt::format("     set {}\n", set);
  }
  if (diff.same) return out + fmt::format("the same: {} runs, event for event\n", diff.runs);
  const bool neither = diff.a.lines.empty() && diff.b.lines.empty();
  if (neither) {
    out += fmt::format("\nrun {}: the same events, but they do not end in the same\n", diff.runs);
  } else {
    const DiffLine& first = diff.a.lines.empty() ? diff.b.lines.front() : diff.a.lines.front();
    out += fmt::format("\nrun {}: first difference at event {}, {} us\n", diff.runs, first.event,
                       format_microseconds(first.time));
    if (diff.common) out += line_text("before", *diff.common);
    for (const auto& [which, side] : {std::pair{"A", &diff.a}, std::pair{"B", &diff.b}}) {
      for (const DiffLine& line : side->lines) out += line_text(which, line);
      if (side->lines.empty()) out += fmt::format("  {:<7} nothing more\n", which);
    }
  }
  const auto end = [](const LogDiff::Side& side) {
    return side.fingerprint.empty()
               ? std::string("the log ends before the run")
               : fmt::format("{} events, fingerprint {}", side.events, side.fingerprint);
  };
  out += fmt::format("\nwhat they came to\n  A       {}\n  B       {}\n", end(diff.a), end(diff.b));
  return out + "a log holds no state: `baton diff` of the two scenarios shows what differs in it\n";
}

std::string format_log_diff_json(const LogDiff& diff) {
  return json_text(json::object{{"baton_log_diff", 1},
                                {"same", diff.same},
                                {"run", diff.runs},
                                {"common", diff.common ? line_value(*diff.common) : nullptr},
                                {"a", side_value(diff.a)},
                                {"b", side_value(diff.b)}});
}

}  // namespace baton::harness
