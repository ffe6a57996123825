// baton sweep and baton merge: one scenario in many variants, told as a table.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "harness/sweep/sweep_report.h"

namespace baton::cli {
namespace {

struct Target {
  const harness::SweepReportKind* kind = nullptr;
  std::string file;  // "-" is stdout
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [read_to, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || read_to != end) return std::nullopt;
  return value;
}

// "A..B", or one number.
bool parse_seeds(const std::string& text, harness::SweepRequest& request, std::ostream& human) {
  const std::size_t dots = text.find("..");
  const auto first = number(std::string_view(text).substr(0, dots));
  const auto last =
      dots == std::string::npos ? first : number(std::string_view(text).substr(dots + 2));
  if (!first || !last || *first > *last || *last - *first >= harness::kSweepRunsMax) {
    human << fmt::format("--seeds {}: FIRST..LAST is expected, for example 1..100\n", text);
    return false;
  }
  request.first_seed = *first;
  request.last_seed = *last;
  return true;
}

std::optional<harness::Shard> parse_shard(const std::string& text, std::ostream& human) {
  if (text.empty()) return harness::Shard{};
  const std::size_t slash = text.find('/');
  const auto index = number(std::string_view(text).substr(0, slash));
  const auto of =
      slash == std::string::npos ? std::nullopt : number(std::string_view(text).substr(slash + 1));
  if (index && of && *index >= 1 && *index <= *of && *of <= harness::kSweepRunsMax) {
    return harness::Shard{*index, *of};
  }
  human << fmt::format("--shard {}: K/N is expected, K from 1 to N\n", text);
  return std::nullopt;
}

std::optional<std::vector<Target>> parse_targets(const std::vector<std::string>& texts,
                                                 std::ostream& human) {
  std::vector<Target> targets;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    const auto kinds = harness::sweep_report_kinds();
    const auto kind = std::ranges::find(kinds, name, &harness::SweepReportKind::name);
    const std::string file = equals == std::string::npos ? "" : text.substr(equals + 1);
    if (kind == kinds.end() || file.empty()) {
      human << fmt::format(
          "--report {}: KIND=FILE is expected, KIND is json, csv, markdown, svg or html\n", text);
      return std::nullopt;
    }
    if (std::ranges::count(targets, file, &Target::file) != 0) {
      human << fmt::format("--report {}: \"{}\" is the target of two reports\n", text, file);
      return std::nullopt;
    }
    targets.push_back({&*kind, file});
  }
  return targets;
}

bool writable(const std::vector<Target>& targets, std::ostream& human) {
  bool all = true;
  for (const Target& target : targets) {
    if (target.file == "-") continue;
    std::error_code error;
    const bool there = std::filesystem::exists(target.file, error);
    const bool opened = std::ofstream(target.file, std::ios::binary | std::ios::app).is_open();
    if (opened && !there) std::filesystem::remove(target.file, error);
    if (opened) continue;
    human << fmt::format("cannot write \"{}\"\n", target.file);
    all = false;
  }
  return all;
}

bool write(const std::vector<Target>& targets, const harness::SweepResult& result, Output output) {
  bool all = true;
  for (const Target& target : targets) {
    const std::string text = target.kind->write(result);
    if (target.file == "-") {
      output.data << text << std::flush;
      all = all && output.data;
      continue;
    }
    std::ofstream stream(target.file, std::ios::binary | std::ios::trunc);
    stream << text << std::flush;
    output.human << fmt::format("{} {}\n", stream ? "wrote" : "cannot write", target.file);
    all = all && stream;
  }
  return all;
}

// One line that is written over on a terminal, a line every ten seconds in continuous integration.
class Line {
 public:
  explicit Line(Output output) : output_(output) {}
  ~Line() { clear(); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void show(const harness::SweepPlan& plan, const harness::SweepProgress& now) {
    if (!output_.human_is_terminal && !output_.ci) return;
    const auto time = std::chrono::steady_clock::now();
    const std::uint64_t done = now.ok + now.failed;
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(time - start_);
    const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(1, elapsed.count()));
    const std::uint64_t rate = (done - now.resumed) * 1000 / ms;
    std::string text =
        fmt::format("[{}/{}] ok {}  fail {}  {} runs/s", done, now.total, now.ok, now.failed, rate);
    if (rate != 0) {
      const std::uint64_t left = (now.total - done) / rate;
      text += fmt::format("  eta {}:{:02}", left / 60, left % 60);
    }
    if (done != 0) {
      text += fmt::format("  last: seed {} {}", plan.seed_of(now.last),
                          plan.cell_text(plan.cell_of(now.last)));
    }
    text = text.substr(0, kWidth);
    if (output_.human_is_terminal) {
      output_.human << "\r\x1b[K" << text << std::flush;
      shown_ = true;
    } else if (time - told_ >= kBetweenLines) {
      told_ = time;
      output_.human << text << "\n" << std::flush;
    }
  }

  void clear() {
    if (shown_) output_.human << "\r\x1b[K" << std::flush;
    shown_ = false;
  }

 private:
  static constexpr std::size_t kWidth = 79;
  static constexpr std::chrono::seconds kBetweenLines{10};

  Output output_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point told_ = start_;
  bool shown_ = false;
};

int finish(const harness::SweepResult& result, const std::vector<Target>& targets, Output output) {
  output.human << harness::format_sweep(result);
  const bool written = write(targets, result, output);
  const auto any = [&result](harness::RunVerdict verdict) {
    return std::ranges::count(result.rows, verdict, &harness::RunRow::verdict) != 0;
  };
  if (any(harness::RunVerdict::kBug)) return kBug;
  if (!result.complete) return kInterrupted;
  if (!written) return kNotWritten;
  return any(harness::RunVerdict::kFailed) ? kFailed : kHeld;
}

}  // namespace

int sweep_command(const Options& options, Output output, const std::function<bool()>& interrupted) {
  harness::SweepRequest request;
  request.file = options.scenarios.front();
  request.set = options.set;
  request.vary = options.vary;
  request.jobs = options.sweep_jobs != 0 ? options.sweep_jobs
                                         : std::max(1U, std::thread::hardware_concurrency());
  request.interrupted = interrupted;
  const auto shard = parse_shard(options.shard, output.human);
  const auto targets = parse_targets(options.reports, output.human);
  if (!shard || !targets || !parse_seeds(options.seeds, request, output.human)) return kUsage;
  auto plan = harness::make_plan(request);
  if (!plan) {
    output.human << plan.error().text;
    return plan.error().interrupted ? kInterrupted : plan.error().nothing ? kNothing : kUsage;
  }
  if (!writable(*targets, output.human)) return kNotWritten;
  harness::SweepOptions sweep;
  sweep.jobs = request.jobs;
  sweep.shard = *shard;
  sweep.state_file = options.resume;
  sweep.interrupted = interrupted;
  Line line(output);
  // The plan moves into the sweep; the line needs it too.
  const harness::SweepPlan shown = *plan;
  sweep.progress = [&](const harness::SweepProgress& now) { line.show(shown, now); };
  const auto result = harness::run_sweep(std::move(*plan), sweep);
  line.clear();
  if (!result) {
    output.human << result.error() << "\n";
    return kUsage;
  }
  return finish(*result, *targets, output);
}

int merge_command(const Options& options, Output output) {
  const auto targets = parse_targets(options.reports, output.human);
  if (!targets) return kUsage;
  const auto merged = harness::merge_sweeps(options.files);
  if (!merged) {
    output.human << merged.error() << "\n";
    return kUsage;
  }
  if (!writable(*targets, output.human)) return kNotWritten;
  return finish(*merged, *targets, output);
}

}  // namespace baton::cli
