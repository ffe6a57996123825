#include "cli/progress.h"

#include <fmt/format.h>

namespace baton::cli {
namespace {

constexpr std::chrono::seconds kBetweenLines{10};
// A line that wraps cannot be written over.
constexpr std::size_t kWidth = 79;

}  // namespace

Progress::Progress(std::ostream& out, ProgressMode mode, std::size_t total)
    : out_(out), mode_(total > 1 ? mode : ProgressMode::kNone), total_(total) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (!shown_) return;
  out_ << "\r\x1b[K" << std::flush;
  shown_ = false;
}

void Progress::count(const harness::RunResult& result) {
  if (result.passed()) {
    ++ok_;
  } else if (result.interrupted) {
    ++unknown_;
  } else {
    ++failed_;
  }
  last_ = result.file;
}

std::string Progress::line() const {
  std::string text =
      fmt::format("[{}/{}] ok {}  fail {}", ok_ + failed_ + unknown_, total_, ok_, failed_);
  if (unknown_ != 0) text += fmt::format("  unknown {}", unknown_);
  if (!last_.empty()) text += fmt::format("  last: {}", last_);
  return text.substr(0, kWidth);
}

void Progress::show() {
  if (mode_ == ProgressMode::kTerminal) {
    out_ << "\r\x1b[K" << line() << std::flush;
    shown_ = true;
  } else if (mode_ == ProgressMode::kLines) {
    const auto now = std::chrono::steady_clock::now();
    if (now - told_ < kBetweenLines) return;
    told_ = now;
    out_ << line() << "\n" << std::flush;
  }
}

}  // namespace baton::cli
