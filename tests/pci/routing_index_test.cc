// Routing finds through its indexes what a walk over the registers would find, at once after every
// change of a bus number, window, BAR, Command, power state, link or the topology.
#include <random>

#include "model/pci/address_map.h"
#include "rig.h"

using namespace baton;
using namespace baton::pci;
using namespace baton::pci::test;

namespace {

// The rules themselves, without any memory of earlier requests.

Function* plain_select(const Bus& bus, Bdf bdf) {
  const Bridge* port = bus.bridge();
  const bool one_device = port != nullptr && port->is_downstream_port() && !port->ari_forwarding();
  return one_device && bdf.device() != 0 ? nullptr : bus.at(bdf.device(), bdf.function());
}

Function* plain_config(const Bus& bus, Bdf bdf) {
  if (bus.is_root() && bus.number() == bdf.bus()) return plain_select(bus, bdf);
  for (unsigned devfn = 0; devfn < 256; ++devfn) {
    const auto* bridge = dynamic_cast<const Bridge*>(bus.at_devfn(devfn));
    if (bridge == nullptr || !bridge->routes_bus(bdf.bus()) || bridge->secondary_down()) continue;
    Function* found = bridge->secondary() == bdf.bus() ? plain_select(bridge->secondary_bus(), bdf)
                                                       : plain_config(bridge->secondary_bus(), bdf);
    if (found != nullptr) return found;
  }
  return nullptr;
}

// Name and BAR of who takes it; "down", "nobody below", or empty for nobody at all.
std::string plain_memory(const Bus& bus, std::uint64_t address, std::size_t bytes) {
  for (unsigned devfn = 0; devfn < 256; ++devfn) {
    Function* function = bus.at_devfn(devfn);
    if (function == nullptr) continue;
    const ConfigSpace& config = function->config();
    bool claimed = false;
    for (unsigned i = 0; i < 6 && function->memory_enabled() && !claimed; ++i) {
      const BarKind kind = config.bar(i).kind;
      if (kind != BarKind::kMemory32 && kind != BarKind::kMemory64) continue;
      const std::uint64_t base = config.bar_address(i);
      claimed = address >= base && address - base < config.bar(i).size;
      if (claimed && address - base + bytes <= config.bar(i).size) {
        return fmt::format("{} bar {} at {:#x}", function->name(), i, address - base);
      }
    }
    const auto* bridge = dynamic_cast<const Bridge*>(function);
    if (claimed || bridge == nullptr || !bridge->claims_memory(address)) continue;
    if (bridge->secondary_down()) return "down";
    const std::string below = plain_memory(bridge->secondary_bus(), address, bytes);
    return below.empty() ? "nobody below" : below;
  }
  return {};
}

// Says who it is and which of its BARs was reached.
class Witness final : public Function {
 public:
  Witness(sim::Simulation& simulation, std::string name, ConfigSpace config, std::string& seen)
      : Function(simulation, std::move(name), std::move(config)), seen_(seen) {}
  void memory_read(BarHit hit, std::span<std::byte>) override {
    seen_ = fmt::format("{} bar {} at {:#x}", name(), hit.bar, hit.offset);
  }

 private:
  std::string& seen_;
};

// Two root buses, bridges in three generations, functions everywhere; every register may be written
// with anything that could matter.
class World {
 public:
  explicit World(unsigned seed) : random_(seed) {
    roots_ = {&fabric_.add_root_bus(0, 0, 0x0F), &fabric_.add_root_bus(0, 0x10, 0x1F),
              &fabric_.add_root_bus(1, 0, 0x0F)};
    for (Bus* root : roots_) fill(*root, 0);
    for (Function* function : fabric_.functions()) shake(*function, 12);
  }

  void step() {
    const auto functions = fabric_.functions();
    Function& function = *functions[below(static_cast<unsigned>(functions.size()))];
    const unsigned what = below(40);
    if (what == 0) return function.reset(ResetKind::kFunctionLevel);
    if (what == 1) return function.reset(ResetKind::kHot);
    if (what == 2 && dynamic_cast<Bridge*>(&function) == nullptr) return move(function);
    shake(function, 1);
  }

  std::string routed(std::uint64_t address, std::size_t bytes) {
    seen_.clear();
    std::array<std::byte, 64> data{};
    const Completion done = fabric_.cpu_read(PhysAddr(address), std::span(data).first(bytes));
    if (done.destination == Destination::kFunction) return seen_;
    return done.stopped_at == "link-down" ? "down" : "nobody";
  }
  std::string walked(std::uint64_t address, std::size_t bytes) const {
    for (const Bus* root : roots_) {
      const std::string found = plain_memory(*root, address, bytes);
      if (!found.empty()) return found == "nobody below" ? "nobody" : found;
    }
    return "nobody";
  }
  Function* walked(Sbdf address) const {
    for (const Bus* root : roots_) {
      if (root->segment() == address.segment && address.bdf.bus() >= root->number() &&
          address.bdf.bus() <= root->last()) {
        return plain_config(*root, address.bdf);
      }
    }
    return nullptr;
  }

  Fabric& fabric() { return fabric_; }
  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }
  std::uint64_t address() { return kBase + below(0x60) * 0x8'0000 + below(4) * 0x10; }

 private:
  static constexpr std::uint64_t kBase = 0xE000'0000;

  void fill(Bus& bus, unsigned depth) {
    for (unsigned device = 0; device < 4; ++device) {
      const std::string name = fmt::format("f{}", count_++);
      if (depth < 3 && device < 2) {
        const PortType type = depth == 0  ? PortType::kRootPort
                              : depth % 2 ? PortType::kUpstreamPort
                                          : PortType::kDownstreamPort;
        ConfigSpace config = port_config(type);
        config.bar32(0, 0x10'0000, false);
        auto& bridge = static_cast<Bridge&>(fabric_.add(
            bus, device, 0, std::make_unique<Bridge>(simulation_, name, std::move(config))));
        fill(bridge.secondary_bus(), depth + 1);
      } else {
        ConfigSpace config = ConfigSpace::type0({.vendor = 0x1234, .device = 0x5678});
        config.bar32(0, 0x10'0000, false).bar32(1, 16, false).bar64(2, 0x20'0000, true);
        config.add_capability(0x90, CapabilityId::kPowerManagement, {{2, 2, 3}, {4, 2, 8}});
        fabric_.add(bus, device, below(2),
                    std::make_unique<Witness>(simulation_, name, std::move(config), seen_));
      }
    }
  }
  void move(Function& function) {
    Bus& from = *function.bus();
    auto owned = fabric_.remove(function);
    unsigned device = below(32);
    while (from.at(device, 3) != nullptr) device = below(32);
    fabric_.add(from, device, 3, std::move(owned));
  }
  // Writes as configuration software does, past the question who would route it there.
  void shake(Function& function, unsigned times) {
    const auto write = [&](std::uint16_t offset, unsigned width, std::uint32_t value) {
      function.config_write(offset, width, value, Bdf(0, 0, 0));
    };
    const auto mib = [this] { return 0xE00 + below(0x30); };
    for (; times > 0; --times) {
      if (below(3) == 0) {
        write(0x04, 2, below(4) == 0 ? 0 : 6);
      } else if (dynamic_cast<Bridge*>(&function) == nullptr) {
        shake_endpoint(write, below(5), mib() << 20 | below(2) * 0x10);
      } else {
        const std::uint32_t first = below(0x20);
        const std::uint32_t base = mib();
        const std::uint32_t window = base << 4 | (base + below(9) - 1) << 20;
        shake_bridge(write, first << 8 | (first + below(8)) << 16, window);
      }
    }
  }
  template <class Write>
  void shake_endpoint(Write write, unsigned what, std::uint32_t address) {
    if (what < 3) write(static_cast<std::uint16_t>(0x10 + 4 * what), 4, address);
    if (what == 3) write(0x1C, 4, below(8) == 0 ? 1 : 0);
    if (what == 4) write(0x94, 2, below(4) == 0 ? 3 : 0);
  }
  template <class Write>
  void shake_bridge(Write write, std::uint32_t numbers, std::uint32_t window) {
    switch (below(8)) {
      case 0:
      case 1:
        return write(0x18, 4, numbers);
      case 2:
        return write(0x19, 1, numbers >> 8);
      case 3:
        return write(0x20, 4, window);
      case 4:
        write(0x28, 4, 0);
        write(0x2C, 4, 0);
        return write(0x24, 4, window);
      case 5:
        return write(0x3E, 2, below(4) == 0 ? 0x40 : 0);
      case 6:
        return write(0x50, 2, below(4) == 0 ? 0x10 : 0);  // Link Control: disable
      default:
        return write(0x68, 2, below(2) == 0 ? 0x20 : 0);  // Device Control 2: ARI forwarding
    }
  }

  std::mt19937 random_;
  sim::Simulation simulation_{1};
  FlatRam ram_;
  Fabric fabric_{simulation_, ram_, FabricTiming{}};
  std::vector<Bus*> roots_;
  std::string seen_;
  unsigned count_ = 0;
};

}  // namespace

TEST_CASE("routing finds what a walk over the registers finds, under random writes") {
  unsigned functions_found = 0;
  unsigned taken = 0;
  unsigned down = 0;
  for (unsigned seed = 1; seed <= 4; ++seed) {
    World world(seed);
    for (unsigned i = 0; i < 6000; ++i) {
      world.step();
      const Sbdf place{world.below(3), Bdf(world.below(0x20), world.below(4), world.below(2))};
      Function* const found = world.fabric().find(place);
      if (found != world.walked(place)) FAIL("configuration, seed " << seed << " step " << i);
      const std::uint64_t address = world.address();
      const std::size_t bytes = world.below(2) == 0 ? 4 : 64;
      const std::string expected = world.walked(address, bytes);
      CAPTURE(seed, i, address, bytes);
      if (world.routed(address, bytes) != expected) CHECK(world.routed(address, bytes) == expected);
      functions_found += found != nullptr ? 1 : 0;
      taken += expected.starts_with('f') ? 1 : 0;
      down += expected == "down" ? 1 : 0;
    }
  }
  // The world is one in which something happens.
  CHECK(functions_found > 300);
  CHECK(taken > 2000);
  CHECK(down > 100);
}

TEST_CASE("each change that routing depends on takes effect at once") {
  Switch host;
  std::array<std::byte, 4> bytes{};
  const auto reaches = [&](std::uint64_t address) {
    return host.fabric.cpu_read(PhysAddr(address), bytes).arrived();
  };
  const std::uint64_t bar = Switch::kBar[0];
  const auto low = static_cast<std::uint32_t>(bar);
  REQUIRE(reaches(bar));
  SECTION("a BAR moves while its ones are in it") {
    host.write(Bdf(3, 0, 0), 0x10, 4, 0xFFFFFFFF);
    CHECK_FALSE(reaches(bar));
    host.write(Bdf(3, 0, 0), 0x10, 4, low);
    CHECK(reaches(bar));
    host.write(Bdf(3, 0, 0), 0x10, 4, low + 0x1000);
    CHECK_FALSE(reaches(bar));
    CHECK(reaches(bar + 0x1000));
  }
  SECTION("memory decode of the function, and of a bridge above") {
    for (const Bdf bdf : {Bdf(3, 0, 0), Bdf(2, 0, 0), Bdf(0, 1, 0)}) {
      host.write(bdf, 0x04, 2, 4);
      CHECK_FALSE(reaches(bar));
      host.write(bdf, 0x04, 2, 6);
      CHECK(reaches(bar));
    }
  }
  SECTION("a window") {
    host.write(Bdf(1, 0, 0), 0x26, 2, 0);
    CHECK_FALSE(reaches(bar));
    host.write(Bdf(1, 0, 0), 0x26, 2, 2 << 4);
    CHECK(reaches(bar));
  }
  SECTION("the power state") {
    host.write(Bdf(3, 0, 0), 0x94, 2, 3);
    CHECK_FALSE(reaches(bar));
  }
  SECTION("a reset of the function") {
    host.probe[0]->reset(ResetKind::kFunctionLevel);
    CHECK_FALSE(reaches(bar));
  }
  SECTION("the link") {
    host.write(Bdf(2, 0, 0), 0x50, 2, 0x10);
    CHECK_FALSE(reaches(bar));
    CHECK(host.fabric.find(Sbdf{0, Bdf(3, 0, 0)}) == nullptr);
    host.write(Bdf(2, 0, 0), 0x50, 2, 0);
    CHECK(host.fabric.find(Sbdf{0, Bdf(3, 0, 0)}) == host.probe[0]);
  }
  SECTION("a bus number, by whatever access") {
    CHECK(host.fabric.find(Sbdf{0, Bdf(3, 0, 0)}) == host.probe[0]);
    host.write(Bdf(2, 0, 0), 0x19, 1, 7);
    CHECK(host.fabric.find(Sbdf{0, Bdf(3, 0, 0)}) == nullptr);
    host.down[0]->config().set(0x19, 1, 3);
    CHECK(host.fabric.find(Sbdf{0, Bdf(3, 0, 0)}) == host.probe[0]);
  }
  SECTION("the function leaves, and another comes") {
    Bus& bus = host.down[0]->secondary_bus();
    CHECK(host.fabric.find(Sbdf{0, Bdf(3, 0, 0)}) == host.probe[0]);
    auto owned = host.fabric.remove(*host.probe[0]);
    CHECK_FALSE(reaches(bar));
    CHECK(host.fabric.find(Sbdf{0, Bdf(3, 0, 0)}) == nullptr);
    host.fabric.add(bus, 0, 0, std::move(owned));
    CHECK(reaches(bar));
    CHECK(host.fabric.find(Sbdf{0, Bdf(3, 0, 0)}) == host.probe[0]);
  }
}

TEST_CASE("an address belongs to the first claimant, and to the next when that one leaves") {
  AddressMap map;
  CHECK_FALSE(map.find(0).has_value());
  map.add(0x1000, 0x1FFF, 7);
  map.add(0, ~std::uint64_t{0}, 9);
  map.add(0x1800, 0x27FF, 3);
  CHECK(map.find(0xFFF) == 9U);
  CHECK(map.find(0x1000) == 7U);
  CHECK(map.find(0x17FF) == 7U);
  CHECK(map.find(0x1800) == 3U);
  CHECK(map.find(0x2800) == 9U);
  CHECK(map.find(~std::uint64_t{0}) == 9U);
  map.remove(0x1800, 0x27FF, 3);
  CHECK(map.find(0x1800) == 7U);
  CHECK(map.find(0x2000) == 9U);
  map.remove(0, ~std::uint64_t{0}, 9);
  CHECK_FALSE(map.find(0x2000).has_value());
  CHECK(map.find(0x1FFF) == 7U);
}
