// The routing of interrupt messages, on a machine whose tables are written by hand.

#include <boost/json.hpp>
#include <sstream>

#include "harness/show/show.h"
#include "model/devices/dsa/dsa.h"

using namespace baton;
using namespace baton::harness;
using namespace baton::sim::literals;

namespace {

constexpr std::uint64_t kTable = 0x100000;  // of interrupt remapping entries
constexpr std::uint64_t kGcmd = 0x18;
constexpr std::uint64_t kIrta = 0xB8;
constexpr std::uint32_t kSetTable = 1U << 24;
constexpr std::uint32_t kEnable = 1U << 25;
constexpr std::uint64_t kMsixTable = 0x2000;  // in BAR 0

class Bench {
 public:
  Bench() : simulation_(1) {
    host::MachineConfig config;
    config.memory = std::uint64_t{64} << 20;
    machine_ = std::make_unique<host::Machine>(simulation_, config);
    pci::Bus& bus = machine_->fabric().add_root_bus(0, 0x6A, 0x6A);
    dsa_ = &machine_->fabric().add(bus, 1, 0, devices::dsa::make_dsa(simulation_, {}));
    REQUIRE(machine_->finish_firmware().has_value());
    watch_ = std::make_unique<Watch>(
        World{simulation_, *machine_, {{.function = dsa_, .vm = "vm0", .stall_bound = 100_us}}});
    topology_.attach(*watch_, scenario_);
    interrupts_.attach(*watch_, scenario_);
    unit().mmio_write(kIrta, 8, kTable | 3);  // 16 entries
    unit().mmio_write(kGcmd, 4, kSetTable);
  }

  iommu_vtd::RemappingUnit& unit() { return *machine_->iommu_of(*dsa_); }

  void message(std::uint64_t address, std::uint32_t data) {
    const std::array<std::uint32_t, 4> words{static_cast<std::uint32_t>(address),
                                             static_cast<std::uint32_t>(address >> 32), data, 0};
    dsa_->bar_write({0, kMsixTable}, std::as_bytes(std::span(words)));
  }
  void entry(unsigned index, std::uint64_t low, std::uint64_t high) {
    machine_->memory().store(PhysAddr(kTable + index * 16), low);
    machine_->memory().store(PhysAddr(kTable + index * 16 + 8), high);
  }
  std::string show(std::string_view format) {
    const ShowContext context{*watch_,        scenario_,   ledger_,     config_writes_,
                              topology_,      boots_,      interrupts_, timeline_,
                              critical_path_, luo_states_, flow_,       format};
    std::ostringstream out;
    REQUIRE(show_row("vectors")->make(context, out).has_value());
    return out.str();
  }
  std::string route() {
    const boost::json::value entries = boost::json::parse(show("json"));
    REQUIRE(entries.as_array().size() == 1);
    return std::string(entries.as_array()[0].as_object().at("route").as_string());
  }

  sim::Simulation simulation_;
  Scenario scenario_;
  Ledger ledger_;
  ConfigWrites config_writes_;
  TopologyWatch topology_;
  BootRecords boots_;
  InterruptCounts interrupts_;
  CriticalPath critical_path_;
  LuoStates luo_states_;
  Flow flow_;
  Timeline timeline_;
  std::unique_ptr<host::Machine> machine_;
  pci::Function* dsa_ = nullptr;
  std::unique_ptr<Watch> watch_;
};

constexpr std::uint64_t remappable(unsigned index) { return 0xFEE0'0010 | index << 5; }

}  // namespace

TEST_CASE("a table that nobody has written has no routes") {
  Bench bench;
  CHECK(bench.show("text") == "no MSI-X table entry is set up\n");
}

TEST_CASE("a message in compatibility format names its CPU and its vector") {
  Bench bench;
  bench.message(0xFEE0'5000, 0x41);
  CHECK(bench.route() == "compatibility format, CPU 5 vector 0x41");
  bench.message(0x1000, 0x41);
  CHECK(bench.route() == "no interrupt address");
}

TEST_CASE("a remappable message is followed through its entry, as the unit would") {
  Bench bench;
  bench.entry(2, 0x300'0000'0000 | 0x51 << 16 | 1, 1 << 18 | bench.dsa_->requester_id().value());
  bench.message(remappable(2), 0);
  CHECK(bench.route() == "remappable format, index 2, but remapping is off");
  bench.unit().mmio_write(kGcmd, 4, kEnable);
  CHECK(bench.route() == "IRTE 2 -> CPU 3 vector 0x51, source 6a:01.0");
  const auto irq = bench.unit().remap(bench.dsa_->requester_id(), remappable(2), 0);
  CHECK(irq.destination == 3);
  CHECK(irq.vector == Vector(0x51));

  bench.simulation_.topic<host::InterruptDelivered>().publish(
      {1, bench.dsa_->requester_id(), Vector(0x51), true, 3});
  bench.simulation_.topic<host::InterruptDelivered>().publish(
      {2, bench.dsa_->requester_id(), Vector(0x51), false, 3});
  bench.simulation_.topic<host::InterruptDelivered>().publish(
      {3, bench.dsa_->requester_id(), Vector(0x51), true, 1});  // of another CPU
  CHECK(bench.show("text").find("taken 1, orphans 1, of vm0") != std::string::npos);
}

TEST_CASE("an entry that leads nowhere is said to") {
  Bench bench;
  bench.unit().mmio_write(kGcmd, 4, kEnable);
  bench.message(remappable(3), 0);
  CHECK(bench.route() == "IRTE 3 is not present");
  bench.message(remappable(16), 0);
  CHECK(bench.route() == "IRTE 16 is outside of the table of 16 entries");
  bench.entry(3, 1 << 15 | 1, 0);
  bench.message(remappable(3), 0);
  CHECK(bench.route() == "IRTE 3 posts vector 0x0 into the descriptor at 0x0");
  bench.entry(4, 0x51 << 16 | 1, 0);
  bench.message(remappable(3) | 8, 1);  // the subhandle adds
  CHECK(bench.route() == "IRTE 4 -> CPU 0 vector 0x51, source not checked");
}
