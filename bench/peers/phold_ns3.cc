// PHOLD on ns-3's simulator with its default scheduler. Built only where libns3-dev is installed.
#include <ns3/core-module.h>

#include <deque>

#include "bench/phold.h"

namespace {

template <phold::Workload W>
struct Entity {
  phold::Sums& sums;
  std::uint64_t id;
  phold::Random random;
  ns3::EventId timeout;

  void expire() { std::abort(); }
  void fire() {
    sums.add(static_cast<std::uint64_t>(ns3::Simulator::Now().GetTimeStep()), id);
    if constexpr (W == phold::Workload::kCancel) {
      timeout.Cancel();
      timeout = ns3::Simulator::Schedule(ns3::TimeStep(phold::kTimeout), &Entity::expire, this);
    }
    ns3::Simulator::Schedule(ns3::TimeStep(phold::draw_delay<W>(random)), &Entity::fire, this);
  }
};

template <phold::Workload W>
int run(const phold::Arguments& arguments) {
  phold::Sums sums;
  std::deque<Entity<W>> entities;
  // Before the entities, so that what is due at the same tick as an end comes after it.
  ns3::Simulator::Stop(ns3::TimeStep(arguments.warm_up_end() + 1));
  ns3::Simulator::Stop(ns3::TimeStep(arguments.end() + 1));
  for (std::uint64_t i = 0; i < arguments.entities(); ++i) {
    entities.push_back({sums, i, phold::random_of_entity(i), {}});
    Entity<W>& entity = entities.back();
    ns3::Simulator::Schedule(ns3::TimeStep(phold::draw_delay<W>(entity.random) + 1),
                             &Entity<W>::fire, &entity);
  }
  ns3::Simulator::Run();
  const std::uint64_t before = sums.count;
  const std::uint64_t start = phold::cpu_ns();
  ns3::Simulator::Run();
  phold::report(phold::cpu_ns() - start, sums.count - before, sums);
  std::fflush(stdout);
  std::_Exit(0);  // destroying its pending events takes longer than the run
}

}  // namespace

int main(int argc, char** argv) {
  const phold::Arguments arguments = phold::parse(argc, argv);
  return phold::dispatch(arguments, [&]<phold::Workload W>() { return run<W>(arguments); });
}
