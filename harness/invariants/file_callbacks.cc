// file-callbacks: what LUO begins with a handler it also ends, once: a file that was preserved is
// unpreserved, or frozen and handed over; a freeze is undone or followed by the jump; the next
// kernel retrieves a file at most once and finishes it once, telling the handler how the retrieve
// went.
//
// Not judged: sessions that nobody finishes (session-complete does that).

#include <fmt/format.h>

#include <array>
#include <map>
#include <string>
#include <utility>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/luo/observations.h"

namespace baton::harness {
namespace {

using luo::Callback;

enum class Life : std::uint8_t {
  kNone,
  kPreserved,
  kFrozen,
  kIncoming,
  kRetrieved,
  kFailed,
  kEnded
};

std::string_view name(Life life) {
  constexpr std::array<std::string_view, 7> kNames{
      "not preserved", "preserved",           "frozen",  "handed over",
      "retrieved",     "its retrieve failed", "finished"};
  return kNames.at(static_cast<std::size_t>(life));
}

std::string_view name(Callback call) {
  constexpr std::array<std::string_view, 6> kNames{"preserve", "unpreserve", "freeze",
                                                   "unfreeze", "retrieve",   "finish"};
  return kNames.at(static_cast<std::size_t>(call));
}

class FileCallbacks final : public Checker {
 public:
  explicit FileCallbacks(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<luo::FileCallback>().subscribe([this](const auto& o) { on_call(o); });
    simulation.topic<luo::SessionsSerialized>().subscribe([this](const auto&) { sealed_ = true; });
    simulation.topic<host::KernelJumped>().subscribe([this](const auto&) { on_jump(); });
    simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) {
      incoming_.clear();
      outgoing_.clear();
    });
  }

  std::string_view id() const override { return "file-callbacks"; }

 private:
  using Key = std::pair<std::string, std::uint64_t>;

  static bool from_previous(Callback call) {
    return call == Callback::kRetrieve || call == Callback::kFinish;
  }

  void on_call(const luo::FileCallback& seen) {
    checked();
    Life& life = (from_previous(seen.call) ? incoming_ : outgoing_)[Key(seen.session, seen.token)];
    const bool fits = seen.call == Callback::kPreserve     ? life == Life::kNone
                      : seen.call == Callback::kUnpreserve ? life == Life::kPreserved
                      : seen.call == Callback::kFreeze     ? life == Life::kPreserved
                      : seen.call == Callback::kUnfreeze   ? life == Life::kFrozen
                      : seen.call == Callback::kRetrieve   ? life == Life::kIncoming
                                                           : can_finish(life);
    const bool told =
        seen.call != Callback::kFinish || !fits || sign_of(seen.status) == status_of(life);
    if ((!fits || !told) && want()) {
      report(
          fmt::format("file {} ({}) of session \"{}\"", seen.token, seen.compatible, seen.session),
          expected(seen.call, life),
          fits ? fmt::format("the handler is told {}", status_text(seen.status))
               : fmt::format("kernel {} calls {} for a file that is {}", seen.generation,
                             name(seen.call), name(life)),
          watch_.milestones());
    }
    step(life, seen);
  }

  static bool can_finish(Life life) {
    return life == Life::kIncoming || life == Life::kRetrieved || life == Life::kFailed;
  }
  static int sign_of(int status) { return status < 0 ? -1 : status; }
  static int status_of(Life life) {
    return life == Life::kIncoming ? 0 : life == Life::kRetrieved ? 1 : -1;
  }
  static std::string_view status_text(int status) {
    return status == 0   ? "that nobody retrieved it"
           : status == 1 ? "that it was retrieved"
                         : "that its retrieve failed";
  }
  static std::string expected(Callback call, Life life) {
    switch (call) {
      case Callback::kRetrieve:
        return "retrieve is called once for each file";
      case Callback::kFinish:
        return fmt::format("finish is called once, and told that the file is {}", name(life));
      case Callback::kUnfreeze:
        return "unfreeze undoes a freeze";
      default:
        return fmt::format("{} follows what goes before it", name(call));
    }
  }

  void step(Life& life, const luo::FileCallback& seen) {
    switch (seen.call) {
      case Callback::kPreserve:
        if (seen.done) life = Life::kPreserved;
        break;
      case Callback::kUnpreserve:
        life = Life::kNone;
        break;
      case Callback::kFreeze:
        if (seen.done) life = Life::kFrozen;
        break;
      case Callback::kUnfreeze:
        life = Life::kPreserved;
        break;
      case Callback::kRetrieve:
        life = seen.done ? Life::kRetrieved : Life::kFailed;
        break;
      case Callback::kFinish:
        life = Life::kEnded;
        break;
    }
  }

  void on_jump() {
    incoming_.clear();
    for (const auto& [key, life] : outgoing_) {
      checked();
      if (life == Life::kFrozen) incoming_[key] = Life::kIncoming;
      // A jump without the reboot hook hands nothing over.
      if (life != Life::kPreserved || !sealed_ || !want()) continue;
      report(fmt::format("file {} of session \"{}\"", key.second, key.first),
             "it is frozen before the jump", "its handler was never asked to freeze it",
             watch_.milestones());
    }
    outgoing_.clear();
    sealed_ = false;
  }

  std::map<Key, Life> outgoing_;
  std::map<Key, Life> incoming_;
  bool sealed_ = false;
};

}  // namespace

std::unique_ptr<Checker> make_file_callbacks(Watch& watch) {
  return std::make_unique<FileCallbacks>(watch);
}

}  // namespace baton::harness
