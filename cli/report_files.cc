#include "cli/report_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace baton::cli {
namespace {

std::string kinds() {
  std::vector<std::string_view> names;
  for (const harness::ReportKind& row : harness::report_kinds()) names.push_back(row.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

bool write_one(const ReportRequest& request, const std::string& text, Output output) {
  if (request.file == "-") {
    output.data << text << std::flush;
    if (!output.data) output.human << "cannot write to stdout\n";
    return static_cast<bool>(output.data);
  }
  std::ofstream stream(request.file, std::ios::binary | std::ios::trunc);
  stream << text << std::flush;
  if (!stream) {
    output.human << fmt::format("cannot write \"{}\"\n", request.file);
    return false;
  }
  output.human << fmt::format("wrote {}\n", request.file);
  return true;
}

}  // namespace

std::optional<std::vector<ReportRequest>> parse_reports(const std::vector<std::string>& texts,
                                                        std::ostream& human) {
  std::vector<ReportRequest> result;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals + 1 == text.size()) {
      human << fmt::format("--report {}: KIND=FILE is expected, for example junit=report.xml\n",
                           text);
      return std::nullopt;
    }
    const std::string name = text.substr(0, equals);
    const harness::ReportKind* kind = harness::report_kind(name);
    if (kind == nullptr) {
      human << fmt::format("--report {}: unknown kind \"{}\"; kinds: {}\n", text, name, kinds());
      return std::nullopt;
    }
    ReportRequest request{kind, text.substr(equals + 1)};
    if (std::ranges::count(result, request.file, &ReportRequest::file) != 0) {
      human << fmt::format("--report {}: \"{}\" is the target of two reports\n", text,
                           request.file);
      return std::nullopt;
    }
    result.push_back(std::move(request));
  }
  return result;
}

bool writable(std::span<const ReportRequest> requests, std::ostream& human) {
  bool all = true;
  for (const ReportRequest& request : requests) {
    if (request.file == "-") continue;
    std::error_code error;
    const bool there = std::filesystem::exists(request.file, error);
    const bool opened = std::ofstream(request.file, std::ios::binary | std::ios::app).is_open();
    if (opened && !there) std::filesystem::remove(request.file, error);
    if (opened) continue;
    human << fmt::format("cannot write \"{}\"\n", request.file);
    all = false;
  }
  return all;
}

bool write_reports(std::span<const ReportRequest> requests,
                   std::span<const harness::RunResult> results, Output output) {
  bool all = true;
  for (const ReportRequest& request : requests) {
    all = write_one(request, request.kind->write(results), output) && all;
  }
  return all;
}

}  // namespace baton::cli
