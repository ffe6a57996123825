// The outside reader: a handover of a scenario as baton prints it, and the walk over all of it.
#pragma once

#include <sstream>

#include "harness/run/host_builder.h"
#include "harness/show/show.h"
#include "tests/scenarios/outside/devices.h"
#include "tests/scenarios/outside/kho.h"
#include "tests/scenarios/outside/luo.h"
#include "tests/support/source_dir.h"

namespace outside {

inline std::string shown(const baton::harness::Loaded& loaded, std::string_view what,
                         std::string_view when) {
  baton::harness::ShowRequest request;
  request.row = baton::harness::show_row(what);
  REQUIRE(request.row != nullptr);
  request.format = request.row->formats.front();
  request.moment = *baton::harness::parse_moment(when);
  std::ostringstream text;
  const auto done = baton::harness::show(loaded, request, text);
  INFO((done ? std::string() : done.error().text));
  REQUIRE(done.has_value());
  return text.str();
}

struct Handover {
  Handover(const std::string& scenario, const std::string& when,
           const std::vector<std::string>& changes = {}) {
    const baton::harness::Loaded loaded = baton::harness::check_scenario(
        baton::testing::source_dir() + "/scenarios/" + scenario + ".yaml", changes);
    INFO(scenario << loaded.errors());
    REQUIRE(loaded.good());
    core = shown(loaded, "memory", when);
    told = boost::json::parse(shown(loaded, "handoff", when)).as_object();
  }

  std::string core;
  boost::json::object told;
};

inline void read_all(World& world) {
  world.expect(world.image.is_core(), "this is no core file");
  const Word luo = check_kho(world);
  check_luo(world, luo);
  check_files(world);
  check_pci(world);
  IommuReader(world).check();
  for (const boost::json::value& value : world.handoff.at("extra").as_array()) {
    const boost::json::object& block = value.as_object();
    const Word start = World::hex(block.at("phys"));
    const Word length = World::hex(block.at("len"));
    const std::string owner(block.at("what").as_string());
    if (!world.claim(start, owner)) continue;
    world.expect(kPage << world.keys[start].order == length, "{} at {:#x} has {} bytes", owner,
                 start, length);
  }
  for (const auto& [start, key] : world.keys) {
    world.expect(!key.owner.empty(), "the block of order {} at {:#x} is preserved for nobody",
                 key.order, start);
  }
}

inline World world_of(const Handover& handover) {
  return World(Image(handover.core), handover.told);
}

}  // namespace outside
