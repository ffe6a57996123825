// baton show: looks inside a run at one instant, or at an imported host.

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "harness/run/host_builder.h"
#include "harness/show/config_difference.h"
#include "harness/show/host_file.h"
#include "harness/show/show.h"

namespace baton::cli {
namespace {

// A file that is made with its first byte: what cannot be shown leaves an old file as it was.
class LateFile final : public std::streambuf {
 public:
  explicit LateFile(std::string name) : name_(std::move(name)) {}

  // False: the file is not written in full.
  bool close() {
    if (!file_.is_open()) file_.open(name_, std::ios::binary | std::ios::trunc);
    file_.close();
    return !file_.fail();
  }

 protected:
  int_type overflow(int_type c) override {
    if (c == traits_type::eof()) return c;
    const char byte = traits_type::to_char_type(c);
    return xsputn(&byte, 1) == 1 ? c : traits_type::eof();
  }
  std::streamsize xsputn(const char* bytes, std::streamsize count) override {
    if (!file_.is_open()) file_.open(name_, std::ios::binary | std::ios::trunc);
    file_.write(bytes, count);
    return file_ ? count : 0;
  }

 private:
  std::string name_;
  std::ofstream file_;
};

bool is_scenario(const std::string& file) {
  return file.ends_with(".yaml") || file.ends_with(".yml");
}

std::vector<std::string_view> view_names() {
  std::vector<std::string_view> names;
  for (const harness::ShowRow& row : harness::show_rows()) names.push_back(row.what);
  return names;
}

// What was asked for, or nothing after the reason has been printed.
std::optional<harness::ShowRequest> parse_request(const Options& options, std::ostream& human) {
  harness::ShowRequest request;
  request.seed = options.seed;
  request.row = harness::show_row(options.what);
  if (request.row == nullptr) {
    const auto names = view_names();
    human << fmt::format("no view \"{}\". {} Views: {}\n", options.what,
                         harness::did_you_mean(options.what, names), fmt::join(names, ", "));
    return std::nullopt;
  }
  const auto formats = request.row->formats;
  request.format = formats.front();
  if (!options.format.empty()) {
    const auto found = std::ranges::find(formats, std::string_view(options.format));
    if (found == formats.end()) {
      human << fmt::format("{} is not shown as \"{}\"; formats: {}\n", options.what, options.format,
                           fmt::join(formats, ", "));
      return std::nullopt;
    }
    request.format = *found;
  }
  if (!options.against.empty() && options.what != "config-writes") {
    human << fmt::format("--against is of config-writes alone, not of {}\n", options.what);
    return std::nullopt;
  }
  const auto moment = harness::parse_moment(options.at.empty() ? "end" : options.at);
  if (!moment) {
    human << moment.error() << "\n";
    return std::nullopt;
  }
  request.moment = *moment;
  return request;
}

// --report FORMAT=FILE is --format FORMAT --out FILE.
std::optional<Options> with_report(const Options& given, std::ostream& human) {
  Options options = given;
  for (const std::string& report : given.reports) {
    const std::size_t equals = report.find('=');
    if (equals == std::string::npos || equals + 1 == report.size()) {
      human << fmt::format("--report {}: FORMAT=FILE is expected, as in json=handoff.json\n",
                           report);
      return std::nullopt;
    }
    if (!given.format.empty() || !given.out.empty()) {
      human << "--report says what --format and --out say: give one or the other\n";
      return std::nullopt;
    }
    options.format = report.substr(0, equals);
    options.out = report.substr(equals + 1);
  }
  return options;
}

int show_a_host(const Options& options, const harness::ShowRequest& request, std::ostream& data,
                std::ostream& human) {
  if (!harness::shows_a_host(options.what) || !options.at.empty() || !options.against.empty()) {
    human << fmt::format(
        "\"{}\" is no scenario (.yaml): of a host that does not run, lspci and topology can be "
        "shown, without --at\n",
        options.scenarios.front());
    return kUsage;
  }
  const auto shown =
      harness::show_host(options.scenarios.front(), options.what, request.format, data);
  if (shown) return kHeld;
  human << "error: " << shown.error() << "\n";
  return kUsage;
}

int show_a_run(const Options& options, const harness::ShowRequest& request, std::ostream& data,
               std::ostream& human) {
  const harness::Loaded loaded = harness::check_scenario(options.scenarios.front());
  if (!loaded.good()) {
    human << loaded.errors();
    return kUsage;
  }
  std::expected<void, harness::ShowError> shown;
  if (options.against.empty()) {
    shown = harness::show(loaded, request, data);
  } else {
    const harness::Loaded other = harness::check_scenario(options.against);
    if (!other.good()) {
      human << other.errors();
      return kUsage;
    }
    shown = harness::show_config_difference(loaded, other, request, data);
  }
  if (shown) return kHeld;
  human << fmt::format("{}\n", shown.error().text);
  switch (shown.error().problem) {
    case harness::ShowProblem::kNever:
      return kUsage;
    case harness::ShowProblem::kNothing:
      return kNothing;
    case harness::ShowProblem::kInterrupted:
      break;
  }
  return kInterrupted;
}

}  // namespace

int show_command(const Options& given, Output output, const std::function<bool()>& interrupted) {
  const auto split = with_report(given, output.human);
  if (!split) return kUsage;
  const Options& options = *split;
  auto request = parse_request(options, output.human);
  if (!request) return kUsage;
  request->interrupted = interrupted;
  const bool to_stdout = options.out.empty() || options.out == "-";
  if (to_stdout && request->row->binary && output.data_is_terminal) {
    output.human << fmt::format("{} is binary: give --out FILE, or a pipe\n", options.what);
    return kUsage;
  }
  LateFile file(options.out);
  std::ostream to_file(&file);
  std::ostream& data = to_stdout ? output.data : to_file;
  const int code = is_scenario(options.scenarios.front())
                       ? show_a_run(options, *request, data, output.human)
                       : show_a_host(options, *request, data, output.human);
  if (code != kHeld) return code;
  data.flush();
  const bool written = to_stdout ? static_cast<bool>(data) : data && file.close();
  if (!written) {
    output.human << fmt::format("cannot write \"{}\"\n", to_stdout ? "stdout" : options.out);
    return kNotWritten;
  }
  return kHeld;
}

}  // namespace baton::cli
