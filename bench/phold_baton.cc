// PHOLD on baton's engine, as the peers run it: phold_baton WORKLOAD POPULATION EVENTS
#include "bench/phold_model.h"

namespace {

template <phold::Workload W>
int run(const phold::Arguments& arguments) {
  phold::Model<W> model(arguments);
  model.warm_up();
  const std::uint64_t start = phold::cpu_ns();
  const std::uint64_t events = model.run(arguments.events);
  phold::report(phold::cpu_ns() - start, events, model.sums);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const phold::Arguments arguments = phold::parse(argc, argv);
  return phold::dispatch(arguments, [&]<phold::Workload W>() { return run<W>(arguments); });
}
