// Where reports go: --report KIND=FILE, read, checked before anything runs, written at the end.
#pragma once

#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "harness/report/report_kinds.h"

namespace baton::cli {

struct ReportRequest {
  const harness::ReportKind* kind = nullptr;
  std::string file;  // "-" is stdout
};

// Nothing after what is wrong has been said.
std::optional<std::vector<ReportRequest>> parse_reports(const std::vector<std::string>& texts,
                                                        std::ostream& human);

// False if one of the files cannot be written, as far as can be known before: said then. Leaves no
// file behind that was not there.
bool writable(std::span<const ReportRequest> requests, std::ostream& human);

// Writes all; false if one could not be written.
bool write_reports(std::span<const ReportRequest> requests,
                   std::span<const harness::RunResult> results, Output output);

}  // namespace baton::cli
