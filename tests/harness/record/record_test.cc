// The records of a run, fed with observations made by hand.

#include <algorithm>

#include "harness/record/config_writes.h"
#include "harness/record/ledger.h"
#include "harness/record/topology_snapshot.h"
#include "model/devices/dsa/dsa.h"
#include "model/linux/pci/observations.h"

using namespace baton;
using namespace baton::harness;
using namespace baton::sim::literals;

namespace {

using linux::LedgerEvent;
using linux::LedgerKind;

constexpr std::uint64_t kPage = sim::kPageSize;
constexpr Sbdf kDsa{0, Bdf(0x6A, 1, 0)};

// A machine with one DSA of a VM, nobody running on it, and all records attached.
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
    ledger_.attach(*watch_, scenario_);
    writes_.attach(*watch_, scenario_);
    topology_.attach(*watch_, scenario_);
  }

  template <class Observation>
  void publish(const Observation& observation) {
    simulation_.topic<Observation>().publish(observation);
  }
  void pass() { simulation_.run_until(simulation_.now() + 1_ms); }

  void pages(LedgerEvent event, sim::PhysRange range, unsigned generation = 0,
             const char* what = "memfd folio", std::uint64_t id = 3) {
    publish(linux::LedgerEntry{generation, event, LedgerKind::kPages, what, range, id});
  }
  void jump(unsigned from) {
    const host::KexecImage image;
    publish(host::KernelJumped{from, from + 1, image});
  }
  void write(unsigned offset, unsigned width, std::uint32_t value, const char* by) {
    const auto at = static_cast<std::uint16_t>(offset);
    publish(
        host::ConfigAccess{0, kDsa, at, width, true, value, dsa_->config().read(at, width), by});
    machine_->fabric().config_write(kDsa, at, width, value);
  }

  LedgerRow only(std::string_view what) const {
    const std::vector<LedgerRow> rows = ledger_.rows();
    REQUIRE(std::ranges::count(rows, what, &LedgerRow::what) == 1);
    return *std::ranges::find(rows, what, &LedgerRow::what);
  }

  sim::Simulation simulation_;
  Scenario scenario_;
  Ledger ledger_;
  ConfigWrites writes_;
  TopologyWatch topology_;
  std::unique_ptr<host::Machine> machine_;
  pci::Function* dsa_ = nullptr;
  std::unique_ptr<Watch> watch_;
};

constexpr PhysAddr kFolios{0x2000000};

sim::PhysRange folios(std::uint64_t first, std::uint64_t count) {
  return {kFolios + first * kPage, count * kPage};
}

}  // namespace

TEST_CASE("pages of one file with one history are one row of the ledger, made page by page") {
  Bench bench;
  for (std::uint64_t i = 0; i < 8; ++i) bench.pages(LedgerEvent::kCreated, folios(i, 1));
  bench.pass();
  for (std::uint64_t i = 8; i > 0; --i) bench.pages(LedgerEvent::kPreserved, folios(i - 1, 1));
  const LedgerRow row = bench.only("memfd folio");
  CHECK(row.pages == folios(0, 8));
  CHECK(row.kind == "pages");
  CHECK(row.id == "inode 3");
  CHECK(row.fate == Fate::kPreserved);
  REQUIRE(row.steps.size() == 2);
  CHECK(row.steps[0].deed == Deed::kCreated);
  CHECK(row.steps[0].from == sim::Time());
  CHECK(row.steps[1].from == sim::Time() + 1_ms);
}

TEST_CASE("the ledger tells preserved, waiting, restored, leaked and reused pages apart") {
  Bench bench;
  bench.pages(LedgerEvent::kCreated, folios(0, 4));
  bench.pages(LedgerEvent::kPreserved, folios(0, 3));
  bench.publish(linux::SessionFileChanged{0, "vm0", 1, "memfd-v2", "preserved"});
  bench.publish(linux::PhaseEntered{0, linux::RunPhase::kFreeze});
  bench.jump(0);
  const auto fates = [&] {
    std::vector<Fate> result;
    for (const LedgerRow& row : bench.ledger_.rows()) {
      if (row.what == "memfd folio") result.push_back(row.fate);
    }
    return result;
  };
  CHECK(fates() == std::vector{Fate::kWaiting, Fate::kEnded});
  // The second page is forgotten when memory is released, the fourth was never preserved.
  const std::vector<sim::PhysRange> kept{folios(0, 1), folios(2, 1)};
  bench.publish(linux::MemoryReleased{1, kept});
  bench.pages(LedgerEvent::kRestored, folios(0, 1), 1, "restored");
  CHECK(fates() == std::vector{Fate::kRestored, Fate::kReused, Fate::kWaiting, Fate::kEnded});
  CHECK(bench.only("memfd-v2").fate == Fate::kWaiting);
  bench.publish(linux::SessionFileChanged{1, "vm0", 1, "memfd-v2", "finished"});
  bench.publish(linux::SessionChanged{1, "vm0", "finished"});
  CHECK(fates() == std::vector{Fate::kRestored, Fate::kReused, Fate::kLeaked, Fate::kEnded});
  CHECK(bench.only("memfd-v2").fate == Fate::kFinished);
  CHECK(bench.only("memfd-v2").id == "session vm0 token 1");
}

TEST_CASE("pages handed out while they wait to be restored are reused, freed ones are not") {
  Bench bench;
  bench.pages(LedgerEvent::kCreated, folios(0, 2));
  bench.pages(LedgerEvent::kPreserved, folios(0, 2));
  bench.jump(0);
  bench.pages(LedgerEvent::kRestored, folios(0, 1), 1);
  bench.publish(linux::PagesFreed{1, folios(0, 1)});
  bench.publish(linux::PagesAllocated{1, folios(0, 2), "page table"});
  std::vector<Fate> fates;
  for (const LedgerRow& row : bench.ledger_.rows()) fates.push_back(row.fate);
  CHECK(fates == std::vector{Fate::kFreed, Fate::kReused});
}

TEST_CASE("what no kernel restored stays leaked when a later kernel overwrites it") {
  Bench bench;
  bench.pages(LedgerEvent::kPreserved, folios(0, 1), 0, "luo header");
  bench.pages(LedgerEvent::kPreserved, folios(1, 1), 0, "kho root fdt");
  bench.jump(0);
  const std::vector<sim::PhysRange> kept{folios(0, 2)};
  bench.publish(linux::MemoryReleased{1, kept});
  CHECK(bench.only("luo header").fate == Fate::kLeaked);
  CHECK(bench.only("kho root fdt").fate == Fate::kKept);
  bench.jump(1);
  bench.publish(linux::MemoryReleased{2, {}});
  CHECK(bench.only("luo header").fate == Fate::kLeaked);
  CHECK(bench.only("luo header").steps.back().deed == Deed::kOverwritten);
  CHECK(bench.only("kho root fdt").fate == Fate::kKept);
}

TEST_CASE("fates and deeds have names") {
  CHECK(name(Fate::kInUse) == "in use");
  CHECK(name(Fate::kKept) == "kept");
  CHECK(name(Fate::kReused) == "REUSED");
  CHECK(name(Fate::kEnded) == "ended");
  CHECK(name(Deed::kCreated) == "created");
  CHECK(name(Deed::kOverwritten) == "overwritten");
}

TEST_CASE("memory that is preserved as it is allocated and then named is one row") {
  Bench bench;
  bench.pages(LedgerEvent::kPreserved, folios(0, 1), 0, "memfd record");
  bench.pages(LedgerEvent::kCreated, folios(0, 1), 0, "memfd record");
  CHECK(bench.only("memfd record").steps.size() == 1);
  CHECK(bench.only("memfd record").fate == Fate::kPreserved);
}

TEST_CASE("a platform reset ends every row, and the rows outlive the run") {
  Bench bench;
  bench.pages(LedgerEvent::kCreated, folios(0, 2));
  bench.pages(LedgerEvent::kPreserved, folios(0, 2));
  bench.publish(host::ColdRebooted{0, 1});
  CHECK(bench.only("memfd folio").fate == Fate::kEnded);
  bench.ledger_.finish();
  bench.watch_.reset();
  CHECK(bench.only("memfd folio").steps.back().deed == Deed::kOverwritten);
}

TEST_CASE("BARs, bus numbers and domains have rows by their ids") {
  Bench bench;
  const std::uint64_t id = kDsa.bdf.value();
  for (unsigned generation = 0; generation < 2; ++generation) {
    const auto event = generation == 0 ? LedgerEvent::kPreserved : LedgerEvent::kRestored;
    const sim::PhysRange bar{PhysAddr(0x200000000000), 0x10000};
    bench.publish(linux::LedgerEntry{generation, event, LedgerKind::kBar, "BAR", bar, id});
    bench.publish(
        linux::LedgerEntry{generation, event, LedgerKind::kBusNumber, "bus number", {}, id});
    bench.publish(linux::LedgerEntry{generation, event, LedgerKind::kDomain, "domain id", {}, 7});
    if (generation == 0) bench.jump(0);
  }
  CHECK(bench.only("BAR").id == "0000:6a:01.0");
  CHECK(bench.only("BAR").pages.length == 0x10000);
  CHECK(bench.only("bus number").fate == Fate::kRestored);
  CHECK(bench.only("domain id").id == "id 7");
  CHECK(bench.only("domain id").steps.size() == 2);
}

TEST_CASE("config writes carry register, function and what they changed; equal ones are marked") {
  Bench bench;
  bench.publish(linux::PhaseEntered{0, linux::RunPhase::kBoot});
  bench.write(0x04, 2, 0x0006, "pci_enable_device");
  bench.pass();
  bench.write(0x04, 2, 0x0006, "pci_enable_device");
  bench.publish(linux::PhaseEntered{0, linux::RunPhase::kRun});
  bench.write(0x04, 2, 0x0002, "pci_clear_master");
  const Sbdf nobody{0, Bdf(0x6A, 2, 0)};
  bench.publish(host::ConfigAccess{0, nobody, 4, 2, true, 6, 0xFFFF, "pci_setup_device"});
  bench.machine_->fabric().config_write(nobody, 4, 2, 6);

  const auto& rows = bench.writes_.rows();
  REQUIRE(rows.size() == 4);
  CHECK(rows[0].function == bench.dsa_->name());
  CHECK(rows[0].register_name == "Command");
  CHECK(rows[0].old_value == 0);
  CHECK(rows[0].new_value == 6);
  CHECK(rows[0].phase == "boot");
  CHECK_FALSE(rows[0].value_equal());
  CHECK(rows[1].value_equal());
  CHECK(rows[2].phase == "run");
  CHECK(rows[3].function.empty());

  const auto groups = group_writes(rows);
  REQUIRE(groups.size() == 3);
  CHECK(groups[0].by == "pci_enable_device");
  CHECK(groups[0].writes == 2);
  CHECK(groups[0].value_equal == 1);
  CHECK(groups[0].new_value == 6);
  CHECK(groups[1].by == "pci_clear_master");
  CHECK(groups[2].function.empty());
}

TEST_CASE("the topology says who owns a function, and a comparison names what moved") {
  Bench bench;
  bench.publish(linux::pci::DriverBound{0, kDsa, "vfio-pci", true});
  const TopologySnapshot before = bench.topology_.take();
  REQUIRE(before.functions.size() == 1);
  const FunctionState& dsa = before.functions[0];
  CHECK(dsa.address == kDsa);
  CHECK(dsa.requester_id == kDsa.bdf);
  CHECK(dsa.driver == "vfio-pci");
  CHECK(dsa.vm == "vm0");
  CHECK(dsa.vendor == 0x8086);
  CHECK_FALSE(dsa.bars.empty());
  REQUIRE(dsa.msix.has_value());
  CHECK_FALSE(dsa.msix->enabled);
  CHECK(compare(before, bench.topology_.take()).empty());

  bench.machine_->fabric().config_write(kDsa, 4, 2, 0x0006);
  bench.jump(0);
  const auto changes = compare(before, bench.topology_.take());
  REQUIRE(changes.size() == 2);
  CHECK(changes[0].field == "command");
  CHECK(changes[0].before == "0000");
  CHECK(changes[0].after == "0006");
  CHECK(changes[1].field == "driver");
  CHECK(changes[1].after == "none");
  CHECK(compare(before, TopologySnapshot{}).at(0).after.empty());
  CHECK(compare(TopologySnapshot{}, before).at(0).before.empty());
}
