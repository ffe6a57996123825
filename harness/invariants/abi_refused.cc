// abi-refused: a kernel that does not know the format of what it is handed refuses it before it
// trusts any field.

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/luo/observations.h"

namespace baton::harness {
namespace {

// The one format that a kernel with luo v5 reads [linux include/linux/kho/abi/luo.h].
constexpr std::string_view kKnown = "luo-v5";

class AbiRefused final : public Checker {
 public:
  explicit AbiRefused(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<luo::HeaderRead>().subscribe([this](const luo::HeaderRead& seen) {
      checked();
      const std::string_view wrote(seen.compatible.data(),
                                   ::strnlen(seen.compatible.data(), seen.compatible.size()));
      if ((wrote == kKnown) == seen.accepted || !want()) return;
      report(fmt::format("kernel {}", seen.generation),
             fmt::format("it accepts \"{}\" and nothing else", kKnown),
             fmt::format("it {} \"{}\"", seen.accepted ? "accepts" : "refuses", wrote),
             watch_.milestones());
    });
  }

  std::string_view id() const override { return "abi-refused"; }
};

}  // namespace

std::unique_ptr<Checker> make_abi_refused(Watch& watch) {
  return std::make_unique<AbiRefused>(watch);
}

}  // namespace baton::harness
