// Each invariant is fed with observations and hardware tables made by hand: it holds where it must,
// fires where it must, and its chain tells the cause.

#include <algorithm>

#include "harness/invariants/guest_memory.h"
#include "harness/invariants/watch.h"
#include "model/devices/dsa/dsa.h"
#include "model/devices/dsa/observations.h"
#include "model/iommu_vtd/observations.h"
#include "model/luo/state_machine.h"
#include "model/pci/observations.h"
#include "model/vmm/observations.h"

using namespace baton;
using namespace baton::harness;
using namespace baton::sim::literals;

namespace {

constexpr std::uint64_t kPage = sim::kPageSize;
constexpr PhysAddr kRoot{0x1000000};
constexpr PhysAddr kContext{0x1001000};
constexpr PhysAddr kLevel4{0x1002000};
constexpr PhysAddr kLevel3{0x1003000};
constexpr PhysAddr kLevel2{0x1004000};
constexpr PhysAddr kLevel1{0x1005000};
constexpr PhysAddr kGuest{0x2000000};  // 512 pages
constexpr std::uint64_t kGuestPages = 512;

// A machine with one DSA whose remapping tables lie in RAM, and nobody running on it.
class Bench {
 public:
  Bench() : simulation_(1) {
    host::MachineConfig config;
    config.memory = std::uint64_t{256} << 20;
    machine_ = std::make_unique<host::Machine>(simulation_, config);
    pci::Bus& bus = machine_->fabric().add_root_bus(0, 0x6A, 0x6A);
    dsa_ = &machine_->fabric().add(bus, 1, 0, devices::dsa::make_dsa(simulation_, {}));
    REQUIRE(machine_->finish_firmware().has_value());
    build_tables();
    watch_ = std::make_unique<Watch>(World{simulation_, *machine_, {{dsa_, "vm0", 100_us}}});
    checkers_ = make_checkers(*watch_);
    allocate(0, {kRoot, 6 * kPage}, "page table");
    allocate(0, {kGuest, kGuestPages * kPage}, "memfd folio");
  }

  template <class Observation>
  void publish(const Observation& observation) {
    simulation_.topic<Observation>().publish(observation);
  }

  void allocate(unsigned generation, sim::PhysRange range, const char* owner) {
    publish(linux::PagesAllocated{generation, range, owner});
  }

  void phase(unsigned generation, linux::RunPhase phase) {
    publish(linux::PhaseEntered{generation, phase});
  }

  void file_state(unsigned generation, luo::FileState state) {
    publish(linux::SessionFileChanged{generation, "vm0", 1, "memfd-v2", luo::name(state)});
  }
  void session_state(unsigned generation, luo::SessionState state) {
    publish(linux::SessionChanged{generation, "vm0", luo::name(state)});
  }

  void preserve(sim::PhysRange range, const char* what) {
    publish(linux::LedgerEntry{0, linux::LedgerEvent::kPreserved, linux::LedgerKind::kPages, what,
                               range, 0});
  }

  void preserve_all_and_freeze() {
    preserve({kRoot, 6 * kPage}, "page table");
    preserve({kGuest, kGuestPages * kPage}, "memfd folio");
    file_state(0, luo::FileState::kPreserved);
    phase(0, linux::RunPhase::kFreeze);
  }

  void jump() {
    const host::KexecImage image;
    publish(host::KernelJumped{0, 1, image});
  }

  void release(const std::vector<sim::PhysRange>& kept) { publish(linux::MemoryReleased{1, kept}); }

  void request(std::uint64_t iova, PhysAddr lands, bool write = true,
               std::string_view stopped_at = {}) {
    pci::MemoryRequest request;
    request.address = iova;
    request.length = static_cast<std::uint32_t>(kPage);
    request.write = write;
    pci::Completion completion;
    completion.destination =
        stopped_at.empty() ? pci::Destination::kRam : pci::Destination::kNowhere;
    completion.address = lands;
    completion.stopped_at = stopped_at;
    publish(pci::RequestDone{*dsa_, request, completion,
                             machine_->memory().page(lands).subspan(0, kPage)});
  }

  void submit() { publish(devices::dsa::DescriptorSubmitted{*dsa_, 0, 1, true}); }

  void pass(sim::Duration duration) { simulation_.run_until(simulation_.now() + duration); }
  void finish() {
    for (const auto& checker : checkers_) checker->finish();
  }

  std::uint64_t count(std::string_view id) const { return watch_->findings().count(id); }
  std::uint64_t count_all() const {
    std::uint64_t result = 0;
    for (const auto& checker : checkers_) result += count(checker->id());
    return result;
  }
  const Violation& first(std::string_view id) const {
    const auto& kept = watch_->findings().kept();
    const auto found = std::ranges::find(kept, id, &Violation::id);
    REQUIRE(found != kept.end());
    return *found;
  }
  // The texts of a violation's chain, one a line.
  static std::string chain(const Violation& violation) {
    std::string text;
    for (const ChainLink& link : violation.chain) text += link.text + "\n";
    return text;
  }

  sim::PhysicalMemory& memory() { return machine_->memory(); }
  host::Machine& machine() { return *machine_; }
  pci::Function& dsa() { return *dsa_; }
  Watch& watch() { return *watch_; }

 private:
  // Root entry of bus 6ah, context entry of device 1, four levels that map iova 0..2 MiB
  // [VT-d 9.1, 9.3, 9.10].
  void build_tables() {
    constexpr std::uint64_t kReadWrite = 3;
    memory().store<std::uint64_t>(kRoot + std::uint64_t{0x6A} * 16, kContext.value() | 1);
    memory().store<std::uint64_t>(kContext + 8 * 16, kLevel4.value() | 1);
    memory().store<std::uint64_t>(kContext + 8 * 16 + 8, 2 | std::uint64_t{5} << 8);
    memory().store<std::uint64_t>(kLevel4, kLevel3.value() | kReadWrite);
    memory().store<std::uint64_t>(kLevel3, kLevel2.value() | kReadWrite);
    memory().store<std::uint64_t>(kLevel2, kLevel1.value() | kReadWrite);
    for (std::uint64_t page = 0; page < kGuestPages; ++page) {
      memory().store<std::uint64_t>(kLevel1 + page * 8,
                                    (kGuest.value() + page * kPage) | kReadWrite);
    }
    iommu_vtd::RemappingUnit& unit = *machine_->iommu_of(*dsa_);
    constexpr std::uint64_t kCommand = 0x18;
    constexpr std::uint64_t kRootTable = 0x20;
    unit.mmio_write(kRootTable, 8, kRoot.value());
    unit.mmio_write(kCommand, 4, 1U << 30);  // SRTP
    unit.mmio_write(kCommand, 4, 1U << 31);  // TE
    REQUIRE(unit.translation_enabled());
  }

  sim::Simulation simulation_;
  std::unique_ptr<Watch> watch_;
  std::vector<std::unique_ptr<Checker>> checkers_;
  std::unique_ptr<host::Machine> machine_;
  pci::Function* dsa_ = nullptr;
};

const std::vector<sim::PhysRange> kEverything{{kRoot, 6 * kPage}, {kGuest, kGuestPages* kPage}};

}  // namespace

TEST_CASE("a handover that keeps every promise has no violation") {
  Bench bench;
  bench.request(0x3000, kGuest + 0x3000);
  bench.preserve_all_and_freeze();
  CHECK(bench.watch().handover());
  bench.jump();
  bench.release(kEverything);
  bench.phase(1, linux::RunPhase::kRun);
  bench.request(0x3000, kGuest + 0x3000);
  bench.session_state(1, luo::SessionState::kFinished);
  CHECK_FALSE(bench.watch().handover());
  bench.finish();
  CHECK(bench.count_all() == 0);
}

TEST_CASE("the walk of the tables gives every table and the merged mapping") {
  Bench bench;
  const Mapping mapping = walk_mapping(bench.machine(), bench.dsa());
  REQUIRE(mapping.runs.size() == 1);
  CHECK(mapping.runs[0] == MappedRun{Iova(0), kGuest, kGuestPages * kPage, true});
  CHECK(mapping.tables.size() == 6);
  CHECK(mapping.find(Iova(0x5123)) == kGuest + 0x5123);
  CHECK_FALSE(mapping.find(Iova(kGuestPages * kPage)).has_value());
}

TEST_CASE("memory-not-reused names a table that was not preserved, and who gave it away") {
  Bench bench;
  bench.preserve({kRoot, 5 * kPage}, "page table");
  bench.preserve({kGuest, kGuestPages * kPage}, "memfd folio");
  bench.file_state(0, luo::FileState::kPreserved);
  bench.phase(0, linux::RunPhase::kFreeze);
  bench.jump();
  bench.release({{kRoot, 5 * kPage}, {kGuest, kGuestPages * kPage}});
  CHECK(bench.count("memory-not-reused") == 1);
  const Violation& violation = bench.first("memory-not-reused");
  CHECK(violation.subject == "page 0x1005000");
  const std::string chain = Bench::chain(violation);
  INFO(chain);
  CHECK(chain.find("kernel 0 ends; the page is NOT preserved") != std::string::npos);
  CHECK(chain.find("kernel 1 gives it to its page allocator") != std::string::npos);
}

TEST_CASE("memory-not-reused fires when a later kernel hands out or frees reachable memory") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.release(kEverything);
  bench.allocate(1, {kGuest + 7 * kPage, kPage}, "slab");
  CHECK(bench.count("memory-not-reused") == 1);
  bench.publish(linux::PagesFreed{1, {kLevel1, kPage}});
  CHECK(bench.count("memory-not-reused") == 2);
  // After the finish the old set binds nobody.
  bench.session_state(1, luo::SessionState::kFinished);
  bench.allocate(1, {kGuest + 8 * kPage, kPage}, "slab");
  CHECK(bench.count("memory-not-reused") == 2);
}

TEST_CASE("memory-not-reused keeps what was recorded although no device reaches it") {
  Bench bench;
  bench.preserve({PhysAddr(0x3000000), kPage}, "luo header");
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.release(kEverything);
  CHECK(bench.count("memory-not-reused") == 1);
  CHECK(bench.first("memory-not-reused").subject == "page 0x3000000");
}

TEST_CASE("a kexec with nothing preserved promises nothing") {
  Bench bench;
  bench.phase(0, linux::RunPhase::kFreeze);
  bench.jump();
  bench.release({});
  bench.finish();
  CHECK(bench.count("memory-not-reused") == 0);
  CHECK(bench.count("session-complete") == 0);
  CHECK_FALSE(bench.watch().handover());
}

TEST_CASE("translation-equal sees a changed entry when memory is released") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.jump();
  CHECK(bench.count("translation-equal") == 0);
  bench.memory().store<std::uint64_t>(kLevel1 + 3 * 8, 0);
  bench.release(kEverything);
  CHECK(bench.count("translation-equal") == 1);
  const Violation& violation = bench.first("translation-equal");
  CHECK(violation.subject == "dsa0 of vm0, iova 0x3000");
  CHECK(violation.expected == "as at the freeze: 0x2003000");
  CHECK(violation.seen.find("not mapped") != std::string::npos);
}

TEST_CASE("translation-equal sees translation switched off") {
  Bench bench;
  bench.preserve_all_and_freeze();
  iommu_vtd::RemappingUnit& unit = *bench.machine().iommu_of(bench.dsa());
  unit.mmio_write(0x18, 4, 0);
  CHECK(bench.count("translation-equal") >= 1);
}

TEST_CASE("dma-integrity fires when a write lands elsewhere than it meant at the freeze") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.request(0x3000, kGuest + 0x3000);
  CHECK(bench.count("dma-integrity") == 0);
  bench.request(0x3000, kGuest + 0x4000);
  CHECK(bench.count("dma-integrity") == 1);
}

TEST_CASE("dma-integrity fires when the guest itself counted a mismatch") {
  Bench bench;
  vmm::GuestStatus status;
  status.magic = vmm::GuestStatus::kMagic;
  status.version = vmm::GuestStatus::kVersion;
  status.mismatches = 1;
  status.first_mismatch_address = 0x9000;
  bench.memory().store(kGuest + 2 * kPage, status);
  bench.publish(vmm::GuestStarted{0, "vm0", kGuest + 2 * kPage});
  bench.finish();
  CHECK(bench.count("dma-integrity") == 1);
  CHECK(bench.first("dma-integrity").subject == "guest vm0");
}

TEST_CASE("isolation fires for kernel memory, free memory and memory given away") {
  Bench bench;
  bench.request(0x1000, kGuest + 0x1000);
  CHECK(bench.count("isolation") == 0);
  bench.allocate(0, {PhysAddr(0x4000000), kPage}, "slab");
  bench.request(0x1000, PhysAddr(0x4000000));
  CHECK(bench.first("isolation").seen.find("kernel memory: slab") != std::string::npos);
  bench.request(0x1000, PhysAddr(0x5000000));
  CHECK(bench.count("isolation") == 2);
  bench.release({{kRoot, 6 * kPage}, {kGuest, 8 * kPage}});
  bench.request(0x1000, kGuest + 0x1000);
  CHECK(bench.count("isolation") == 2);
  bench.request(0x9000, kGuest + 0x9000);
  CHECK(bench.count("isolation") == 3);
}

TEST_CASE("dma-continuity fires for a refused request, but only within a handover") {
  Bench bench;
  bench.request(0x3000, kGuest + 0x3000, true, "translation-fault");
  CHECK(bench.count("dma-continuity") == 0);
  bench.preserve_all_and_freeze();
  bench.request(0x3000, kGuest + 0x3000, true, "translation-fault");
  CHECK(bench.count("dma-continuity") == 1);
  CHECK(bench.first("dma-continuity").seen == "refused: translation-fault");
}

TEST_CASE("dma-continuity fires for a stall while work is queued, once per stall") {
  Bench bench;
  bench.submit();
  bench.preserve_all_and_freeze();
  bench.request(0x3000, kGuest + 0x3000);
  bench.pass(90_us);
  bench.request(0x3000, kGuest + 0x3000);
  CHECK(bench.count("dma-continuity") == 0);
  bench.pass(500_us);
  bench.jump();
  bench.phase(1, linux::RunPhase::kBoot);
  CHECK(bench.count("dma-continuity") == 1);
  CHECK(bench.watch().longest_stall() == 500_us);
}

TEST_CASE("a device without work may be idle for as long as it likes") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.pass(sim::Duration::seconds(2));
  bench.jump();
  bench.finish();
  CHECK(bench.count("dma-continuity") == 0);
}

TEST_CASE("dma-continuity fires for a reset of a preserved function") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.dsa().reset(pci::ResetKind::kFunctionLevel);
  CHECK(bench.count("dma-continuity") == 1);
}

TEST_CASE("session-complete fires for a session that nobody finished") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.finish();
  CHECK(bench.count("session-complete") == 1);
  CHECK(bench.first("session-complete").subject == "session \"vm0\"");
}

TEST_CASE("session-complete tells the reason of a panic") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.publish(host::KernelHalted{1, "luo: no header"});
  bench.finish();
  CHECK(bench.count("session-complete") == 1);
  CHECK(bench.first("session-complete").seen == "it panicked: luo: no header");
}

TEST_CASE("a reboot that was refused after the freeze ends the handover") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.publish(vmm::GuestResumed{0, "vm0", kGuest});
  CHECK_FALSE(bench.watch().handover());
  bench.request(0x3000, kGuest, true, "bus-master-off");
  CHECK(bench.count("dma-continuity") == 0);
}

TEST_CASE("only the first violations of an invariant are kept whole, all are counted") {
  Bench bench;
  for (unsigned i = 0; i < 10; ++i) bench.request(0x1000, PhysAddr(0x5000000 + i * kPage));
  CHECK(bench.count("isolation") == 10);
  CHECK(bench.watch().findings().kept().size() == Findings::kKept);
}
