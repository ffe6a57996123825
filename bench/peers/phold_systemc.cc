// PHOLD on SystemC: one sc_event and one SC_METHOD per entity. Built only where libsystemc-dev is
// installed. SystemC does not define the order inside one instant: its order checksum may differ.
#include <systemc>

#include <memory>

#include "bench/phold.h"

namespace {

template <phold::Workload W>
struct Entity : sc_core::sc_module {
  phold::Sums& sums;
  std::uint64_t id;
  phold::Random random;
  sc_core::sc_event event;
  sc_core::sc_event timeout;

  SC_HAS_PROCESS(Entity);
  Entity(sc_core::sc_module_name name, phold::Sums& s, std::uint64_t i)
      : sc_core::sc_module(name), sums(s), id(i), random(phold::random_of_entity(i)) {
    SC_METHOD(fire);
    sensitive << event;
    dont_initialize();
    SC_METHOD(expire);
    sensitive << timeout;
    dont_initialize();
    event.notify(sc_core::sc_time::from_value(phold::draw_delay<W>(random) + 1));
  }
  void expire() { std::abort(); }
  void fire() {
    sums.add(sc_core::sc_time_stamp().value(), id);
    if constexpr (W == phold::Workload::kCancel) {
      timeout.cancel();
      timeout.notify(sc_core::sc_time::from_value(phold::kTimeout));
    }
    event.notify(sc_core::sc_time::from_value(phold::draw_delay<W>(random)));
  }
};

template <phold::Workload W>
int run(const phold::Arguments& arguments) {
  phold::Sums sums;
  std::vector<std::unique_ptr<Entity<W>>> entities;
  for (std::uint64_t i = 0; i < arguments.entities(); ++i) {
    entities.push_back(std::make_unique<Entity<W>>(sc_core::sc_gen_unique_name("e"), sums, i));
  }
  sc_core::sc_start(sc_core::sc_time::from_value(arguments.warm_up_end()));
  const std::uint64_t before = sums.count;
  const std::uint64_t start = phold::cpu_ns();
  sc_core::sc_start(sc_core::sc_time::from_value(arguments.end() - arguments.warm_up_end()));
  phold::report(phold::cpu_ns() - start, sums.count - before, sums);
  std::fflush(stdout);
  std::_Exit(0);
}

}  // namespace

int sc_main(int argc, char** argv) {
  const phold::Arguments arguments = phold::parse(argc, argv);
  return phold::dispatch(arguments, [&]<phold::Workload W>() { return run<W>(arguments); });
}
