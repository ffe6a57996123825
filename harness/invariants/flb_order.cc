// flb-order: a shared object (FLB) is there for as long as a file depends on it: preserved before
// the first file, unpreserved after the last one; in the next kernel retrieved before its finish,
// finished after the last file, and not forgotten.

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/luo/observations.h"

namespace baton::harness {
namespace {

using luo::Callback;

class FlbOrder final : public Checker {
 public:
  explicit FlbOrder(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<luo::FlbAttached>().subscribe([this](const luo::FlbAttached& seen) {
      attached_[std::string(seen.handler)].insert(std::string(seen.flb));
    });
    simulation.topic<luo::FileCallback>().subscribe([this](const auto& o) { on_file(o); });
    simulation.topic<luo::FlbCallback>().subscribe([this](const auto& o) { on_flb(o); });
    simulation.topic<host::KernelJumped>().subscribe([this](const auto&) { on_jump(); });
    simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) { forget(); });
    simulation.topic<host::KernelHalted>().subscribe([this](const auto&) { forget(); });
  }

  std::string_view id() const override { return "flb-order"; }

  void finish() override { judge_unfinished("the run"); }

 private:
  using Names = std::set<std::string, std::less<>>;
  using Counts = std::map<std::string, std::uint64_t, std::less<>>;

  void on_file(const luo::FileCallback& seen) {
    if (!seen.done) return;
    for (const std::string& flb : attached_[std::string(seen.compatible)]) {
      if (seen.call == Callback::kPreserve) {
        ++files_[flb];
        checked();
        if (preserved_.contains(flb) || !want()) continue;
        report(flb, "it is preserved before a file that depends on it",
               fmt::format("file {} of session \"{}\" is preserved before it", seen.token,
                           seen.session),
               watch_.milestones());
      } else if (seen.call == Callback::kUnpreserve) {
        --files_[flb];
      } else if (seen.call == Callback::kFinish && incoming_files_[flb] > 0) {
        --incoming_files_[flb];
      }
    }
  }

  void on_flb(const luo::FlbCallback& seen) {
    if (!seen.done) return;
    const std::string flb(seen.compatible);
    if (seen.call == Callback::kPreserve) {
      preserved_.insert(flb);
    } else if (seen.call == Callback::kUnpreserve) {
      preserved_.erase(flb);
      judge(flb, files_[flb], "unpreserved");
    } else if (seen.call == Callback::kFinish) {
      incoming_.erase(flb);
      judge(flb, incoming_files_[flb], "finished");
    }
  }

  void judge(const std::string& flb, std::uint64_t files, std::string_view what) {
    checked();
    if (files == 0 || !want()) return;
    report(flb, fmt::format("it is {} after the last file that depends on it", what),
           fmt::format("it is {} while {} depend on it", what, files), watch_.milestones());
  }

  // Where all files are finished, the object has to be as well.
  void judge_unfinished(std::string_view end) {
    for (const std::string& flb : incoming_) {
      checked();
      if (incoming_files_[flb] != 0 || !want()) continue;
      report(flb, "it is finished after the last file that depends on it",
             fmt::format("all of its files are finished, it is not when {} ends", end),
             watch_.milestones());
    }
  }

  void on_jump() {
    judge_unfinished("the kernel");
    incoming_ = std::move(preserved_);
    incoming_files_ = std::move(files_);
    preserved_.clear();
    files_.clear();
    attached_.clear();
  }

  void forget() {
    preserved_.clear();
    files_.clear();
    incoming_.clear();
    incoming_files_.clear();
    attached_.clear();
  }

  std::map<std::string, Names, std::less<>> attached_;  // by handler
  Names preserved_;
  Counts files_;  // that depend on each
  Names incoming_;
  Counts incoming_files_;
};

}  // namespace

std::unique_ptr<Checker> make_flb_order(Watch& watch) { return std::make_unique<FlbOrder>(watch); }

}  // namespace baton::harness
