#include "harness/show/luo_states.h"

#include <algorithm>

namespace baton::harness {

LuoStates::Session& LuoStates::session(unsigned generation, std::string_view name) {
  Sessions& sessions = kernels_[generation];
  const auto found = std::ranges::find(sessions, name, &Session::name);
  if (found != sessions.end()) return *found;
  sessions.push_back({std::string(name), {}, {}});
  return sessions.back();
}

void LuoStates::attach(Watch& watch, const Scenario& /*scenario*/) {
  sim::Simulation& simulation = watch.simulation();
  simulation.topic<linux::SessionChanged>().subscribe([this](const linux::SessionChanged& seen) {
    session(seen.generation, seen.session).state = seen.state;
  });
  simulation.topic<linux::SessionFileChanged>().subscribe(
      [this](const linux::SessionFileChanged& seen) {
        std::vector<File>& files = session(seen.generation, seen.session).files;
        const auto found = std::ranges::find(files, seen.token, &File::token);
        File& file = found != files.end() ? *found : files.emplace_back();
        file = {seen.token, std::string(seen.compatible), std::string(seen.state)};
      });
}

}  // namespace baton::harness
