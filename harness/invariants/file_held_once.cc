// file-held-once: one file belongs to at most one session, be it one that this kernel made or one
// from the previous kernel that is not finished.

#include <fmt/format.h>

#include <map>
#include <string>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/luo/observations.h"

namespace baton::harness {
namespace {

using luo::Callback;

class FileHeldOnce final : public Checker {
 public:
  explicit FileHeldOnce(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<luo::FileCallback>().subscribe([this](const auto& o) { on_call(o); });
    simulation.topic<host::KernelJumped>().subscribe([this](const auto&) { holders_.clear(); });
    simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) { holders_.clear(); });
  }

  std::string_view id() const override { return "file-held-once"; }

 private:
  void on_call(const luo::FileCallback& seen) {
    if (seen.id == nullptr) return;
    if (seen.call == Callback::kUnpreserve || seen.call == Callback::kFinish) {
      holders_.erase(seen.id);
      return;
    }
    const bool begins = seen.call == Callback::kPreserve || seen.call == Callback::kRetrieve;
    if (!begins || !seen.done) return;
    checked();
    const std::string holder = fmt::format("session \"{}\", token {}", seen.session, seen.token);
    const auto [held, fresh] = holders_.emplace(seen.id, holder);
    if (fresh || !want()) return;
    report(fmt::format("a {} file", seen.compatible),
           fmt::format("it belongs to {} alone", held->second),
           fmt::format("it belongs to {} as well", holder), watch_.milestones());
  }

  std::map<const void*, std::string> holders_;  // found by id, never walked
};

}  // namespace

std::unique_ptr<Checker> make_file_held_once(Watch& watch) {
  return std::make_unique<FileHeldOnce>(watch);
}

}  // namespace baton::harness
