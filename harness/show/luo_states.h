// The states of LUO's sessions and files in every kernel so far, as the kernels tell them: of the
// side that hands over and of the side that takes over.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "harness/record/observer.h"

namespace baton::harness {

class LuoStates final : public RunObserver {
 public:
  struct File {
    std::uint64_t token = 0;
    std::string compatible;
    std::string state;
  };
  struct Session {
    std::string name;
    std::string state;
    std::vector<File> files;
  };
  using Sessions = std::vector<Session>;  // in the order of their first mention

  void attach(Watch& watch, const Scenario& scenario) override;
  // By generation; a session that has been closed keeps its last state.
  const std::map<unsigned, Sessions>& kernels() const { return kernels_; }

 private:
  Session& session(unsigned generation, std::string_view name);

  std::map<unsigned, Sessions> kernels_;
};

}  // namespace baton::harness
