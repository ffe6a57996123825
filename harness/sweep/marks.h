// Marks: situations that a sweep ought to have been in for its verdicts to mean something. A mark
// that no run reached is a warning: nothing was said about it.
//
// The rows are what observations show: phases, what devices did while no kernel ran, errors,
// refusals. Beside them each invariant is a mark, "checks:ID", reached when its checker compared
// something.
#pragma once

#include <bitset>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/record/observer.h"
#include "harness/report/run_result.h"

namespace baton::harness {

struct MarkRow {
  std::string_view id;
  std::string_view sentence;
};
std::span<const MarkRow> mark_rows();

// The ids of all marks, in the order of reports.
std::vector<std::string> all_marks();

class Marks final : public RunObserver {
 public:
  static constexpr std::size_t kMost = 64;

  void attach(Watch& watch, const Scenario& scenario) override;

  // Ids in the order of all_marks().
  std::vector<std::string> reached(const RunResult& result) const;

 private:
  void mark(std::size_t index) { seen_.set(index); }
  void watch_devices();
  void watch_hardware();
  void watch_kernels();
  bool without_kernel() const { return watch_->machine().port() == nullptr; }

  Watch* watch_ = nullptr;
  std::bitset<kMost> seen_;
};

}  // namespace baton::harness
