#include "harness/report/stages_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace baton::harness {
namespace {

std::string measurement(const RunResult& result, std::string_view id) {
  const auto found = std::ranges::find(result.measurements, id, &Measurement::id);
  return found == result.measurements.end() ? "?" : format_measurement(*found);
}

// "kernel 0, vfio_pci_liveupdate_freeze" without the kernel.
std::string_view function_of(std::string_view writer) {
  const std::size_t comma = writer.find(", ");
  return comma == std::string_view::npos ? writer : writer.substr(comma + 2);
}

std::string kernel(const RunResult& result) {
  if (result.kernels.empty()) return "?";
  const std::string& first = result.kernels.front();
  return first.substr(first.find(' ') + 1);
}

std::string device(const RunResult& result) {
  const StageFacts& stage = result.stage;
  if (!stage.jumped) return "no live update";
  if (!stage.device_handed_over) {
    return stage.device_taken_over ? "no: opened anew and reset" : "no";
  }
  if (!stage.device_taken_over) return "its identity; nobody may bind it";
  return stage.resets == 0 ? "yes, never reset" : "yes, reset";
}

std::string dma(const RunResult& result) {
  const StageFacts& stage = result.stage;
  if (stage.stopped_by.empty()) {
    return fmt::format("yes, {} without a kernel", measurement(result, "dma_bytes_without_kernel"));
  }
  return fmt::format("stopped by `{}`; {}", function_of(stage.stopped_by),
                     stage.works_at_end ? "starts over" : "does not come back");
}

std::string interrupts(const RunResult& result) {
  const StageFacts& stage = result.stage;
  const char* gap = !stage.interrupts_at_freeze ? "taken down by the VMM"
                    : stage.interrupts_at_jump  ? "left on, for nobody"
                                                : "taken down by the freeze";
  return fmt::format("{}; {}", gap, stage.interrupts_at_end ? "set up again" : "not set up again");
}

std::string pause(const RunResult& result) { return measurement(result, "guest_pause"); }

std::string refusals(const RunResult& result) {
  if (result.stage.refusals.empty()) return "none";
  return fmt::format("{}", fmt::join(result.stage.refusals, "; "));
}

std::string finished(const RunResult& result) {
  return result.stage.sessions_finished ? "yes" : "no, never";
}

struct Row {
  std::string_view name;
  std::string (*text)(const RunResult& result);
};

constexpr std::array kRows{
    Row{"device kept", device},         Row{"DMA kept", dma},
    Row{"interrupts kept", interrupts}, Row{"pause of the guest", pause},
    Row{"refused", refusals},           Row{"session can be finished", finished},
};

}  // namespace

std::string format_stages(std::span<const RunResult> results) {
  std::string text = "|";
  std::string line = "|---";
  for (const RunResult& result : results) {
    text += fmt::format(" | {}", kernel(result));
    line += "|---";
  }
  text += fmt::format(" |\n{}|\n", line);
  for (const Row& row : kRows) {
    text += fmt::format("| {}", row.name);
    for (const RunResult& result : results) text += fmt::format(" | {}", row.text(result));
    text += " |\n";
  }
  return text;
}

}  // namespace baton::harness
