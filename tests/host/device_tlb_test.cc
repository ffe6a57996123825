// A function with address translation services in a machine: translated requests, what a
// device-TLB still knows, invalidations that travel to it, page requests [PCIe 10; VT-d 6.5.2.5].
#include "model/host/machine.h"
#include "model/iommu_vtd/profiles.h"
#include "model/pci/config_space.h"

namespace baton::host::test {
namespace {

constexpr std::uint64_t kRoot = 0x10'0000, kContexts = 0x10'1000, kPml4 = 0x10'2000,
                        kPdpt = 0x10'3000, kPd = 0x10'4000, kPt = 0x10'5000, kQueue = 0x11'0000,
                        kRequests = 0x11'1000, kStatus = 0x11'2000, kDirectory = 0x11'3000,
                        kPasids = 0x11'4000, kTarget = 0x80'0000;
constexpr std::uint16_t kAtsControl = 0x106, kPriControl = 0x204;

class Caching final : public pci::Function {
 public:
  explicit Caching(sim::Simulation& simulation) : Function(simulation, "caching", make_config()) {}

  pci::Completion dma_read(std::uint64_t address) {
    std::array<std::byte, 4> data{};
    return read(address, data);
  }
  pci::Completion dma_write(std::uint64_t address, std::uint32_t value) {
    return write(address, std::as_bytes(std::span(&value, 1)));
  }
  using Function::request_page;
  void on_page_response(const pci::PageResponse& response) override {
    responses.push_back(response);
  }

  std::vector<pci::PageResponse> responses;

 private:
  static pci::ConfigSpace make_config() {
    pci::ConfigSpace config =
        pci::ConfigSpace::type0({.vendor = 0x8086, .device = 0x0B25, .class_code = 0x088000});
    config.bar64(0, 0x1'0000, true);
    config.add_capability(0x40, pci::CapabilityId::kExpress, {{2, 2, 0x0092}}, 0x3C);
    config.add_extended_capability(0x100, pci::ExtendedCapabilityId::kAts, 1, {{4, 2, 0x0060}});
    config.add_extended_capability(0x200, pci::ExtendedCapabilityId::kPri, 1, {{8, 4, 0x10}});
    return config;
  }
};

struct Host {
  explicit Host(const iommu_vtd::Profile& profile = iommu_vtd::sapphire_rapids_legacy_ats())
      : machine(simulation, config(profile)) {
    pci::Bus& bus = machine.fabric().add_root_bus(0, 0x6A, 0x6A);
    function = static_cast<Caching*>(
        &machine.fabric().add(bus, 1, 0, std::make_unique<Caching>(simulation)));
    REQUIRE(machine.finish_firmware().has_value());
    config_write(0x04, 6);
    put(kRoot + 0x6A * 16, kContexts | 1);
    put(kContexts + 8 * 16, kPml4 | 1 << 2 | 1);  // TT=01
    put(kContexts + 8 * 16 + 8, 2 | 7 << 8);
    put(kPml4, kPdpt | 3);
    put(kPdpt, kPd | 3);
    put(kPd, kPt | 3);
    put(kPt + 5 * 8, kTarget | 3);
    unit_write(0x20, 8, kRoot);
    unit_write(0x18, 4, 1U << 30);
    unit_write(0x90, 8, kQueue);
    unit_write(0x18, 4, 1U << 31);
    unit_write(0x18, 4, 1U << 31 | 1U << 26);
  }
  static MachineConfig config(const iommu_vtd::Profile& profile) {
    MachineConfig result;
    result.memory = std::uint64_t{256} << 20;
    result.iommu_profile = profile;
    return result;
  }

  void config_write(std::uint16_t offset, std::uint32_t value) {
    machine.fabric().config_write(function->location(), offset, 2, value);
  }
  void put(std::uint64_t at, std::uint64_t value) { machine.memory().store(PhysAddr(at), value); }
  std::uint64_t get(std::uint64_t at) { return machine.memory().load<std::uint64_t>(PhysAddr(at)); }
  void unit_write(std::uint64_t offset, unsigned width, std::uint64_t value) {
    machine.cpu_write(kRemappingUnitBase + offset, width, value);
  }
  std::uint64_t unit_read(std::uint64_t offset, unsigned width) {
    return machine.cpu_read(kRemappingUnitBase + offset, width);
  }
  void submit(std::uint64_t low, std::uint64_t high) {
    const std::uint64_t tail = unit_read(0x88, 8);
    put(kQueue + tail, low);
    put(kQueue + tail + 8, high);
    unit_write(0x88, 4, tail + 16);
  }
  // What software does after it changed the page tables.
  void flush_iotlb() { submit(2 | 1 << 4, 0); }
  void flush_device_tlb(Bdf target) {
    submit(3 | std::uint64_t{target.value()} << 32, 0x7FFF'FFFF'FFFF'F001);
    submit(5 | 1 << 5 | 1ULL << 32, kStatus);
  }
  void wait(std::int64_t microseconds) {
    simulation.run_until(simulation.now() + sim::Duration::microseconds(microseconds));
  }

  sim::Simulation simulation{1};
  Machine machine;
  Caching* function = nullptr;
};

}  // namespace

TEST_CASE("With translation services on a function asks once and sends translated requests") {
  Host host;
  host.config_write(kAtsControl, 0x8000);
  const pci::Completion first = host.function->dma_write(0x5010, 0x1234'5678);
  CHECK(first.arrived());
  CHECK(first.address == PhysAddr(kTarget + 0x10));
  CHECK(host.machine.memory().load<std::uint32_t>(PhysAddr(kTarget + 0x10)) == 0x1234'5678);
  REQUIRE(host.function->device_tlb() != nullptr);
  CHECK(host.function->device_tlb()->size() == 1);
  // The second one does not wait for an answer of the host.
  const pci::Completion second = host.function->dma_read(0x5020);
  CHECK(second.arrived());
  CHECK(second.latency < first.latency);
}

TEST_CASE("Without translation services enabled requests stay untranslated") {
  Host host;
  CHECK(host.function->dma_read(0x5000).arrived());
  CHECK(host.function->device_tlb()->size() == 0);
}

TEST_CASE("What the remapping unit reads and looks up is part of a request's latency") {
  Host host;
  const iommu_vtd::UnitTiming timing = iommu_vtd::sapphire_rapids_legacy_ats().timing;
  const pci::Completion cold = host.function->dma_read(0x5000);
  const pci::Completion warm = host.function->dma_read(0x5000);
  // Root entry, context entry and four levels, against two look-ups.
  CHECK(cold.latency - warm.latency ==
        timing.table_read * 6 - (timing.context_hit + timing.iotlb_hit));
}

TEST_CASE("A device that waits for each answer is as slow as its misses") {
  constexpr unsigned kReads = 64;
  Host host;
  const iommu_vtd::UnitTiming timing = iommu_vtd::sapphire_rapids_legacy_ats().timing;
  for (std::uint64_t page = 0; page < kReads; ++page) {
    host.put(kPt + (64 + page) * 8, (kTarget + page * 0x1000) | 3);
  }
  const auto takes = [&](std::uint64_t stride) {
    sim::Duration total;
    for (std::uint64_t i = 0; i < kReads; ++i) {
      total += host.function->dma_read(0x4'0000 + i * stride).latency;
    }
    return total;
  };
  CHECK(host.function->dma_read(0x4'0000).arrived());
  const sim::Duration hits = takes(4);
  // Paging-structure caches know the way to the last table: each new page is one read.
  const sim::Duration misses = takes(0x1000);
  CHECK(misses - hits == (timing.table_read - timing.iotlb_hit) * (kReads - 1));
}

TEST_CASE("A device-TLB knows a page that was unmapped until an invalidation reaches it") {
  Host host;
  host.config_write(kAtsControl, 0x8000);
  REQUIRE(host.function->dma_read(0x5000).arrived());
  host.put(kPt + 5 * 8, 0);
  host.flush_iotlb();
  CHECK(host.function->dma_read(0x5000).arrived());
  host.flush_device_tlb(host.function->requester_id());
  CHECK(host.function->dma_read(0x5000).arrived());  // still on its way
  CHECK(host.get(kStatus) == 0);
  host.wait(2);
  CHECK(host.get(kStatus) == 1);
  const pci::Completion refused = host.function->dma_read(0x5000);
  CHECK(refused.stopped_at == "ats-no-translation");
  CHECK(refused.status == pci::CompletionStatus::kUnsupportedRequest);
  // A translation request without an answer is no fault.
  CHECK((host.unit_read(0x34, 4) & 2) == 0);
}

TEST_CASE("Invalidations of a function that is not there, or has its services off, time out") {
  Host host;
  const bool there = GENERATE(false, true);
  host.flush_device_tlb(there ? host.function->requester_id() : Bdf(0x6A, 9, 0));
  host.wait(95'000'000);
  CHECK((host.unit_read(0x34, 4) >> 6 & 1) == 1);  // ITE
  CHECK(host.get(kStatus) == 0);
}

TEST_CASE("Switching the services off, or a reset, empties the device-TLB") {
  Host host;
  host.config_write(kAtsControl, 0x8000);
  REQUIRE(host.function->dma_read(0x5000).arrived());
  SECTION("off") { host.config_write(kAtsControl, 0); }
  SECTION("reset") { host.function->reset(pci::ResetKind::kFunctionLevel); }
  CHECK(host.function->device_tlb()->size() == 0);
}

TEST_CASE("A function whose context entry allows no device-TLB gets no translation") {
  Host host;
  host.put(kContexts + 8 * 16, kPml4 | 1);  // TT=00
  host.config_write(kAtsControl, 0x8000);
  const pci::Completion refused = host.function->dma_write(0x5000, 1);
  CHECK(refused.stopped_at == "ats-refused");
  CHECK((host.unit_read(0x408, 8) >> 32 & 0xFF) == 0x0D);
}

TEST_CASE("A page request travels to the queue in memory, its response to the function") {
  iommu_vtd::Profile profile = iommu_vtd::sapphire_rapids();
  profile.ecap |= std::uint64_t{1} << 29;  // PRS
  Host host(profile);
  CHECK_FALSE(host.function->request_page({.address = 0x6000, .read = true}));
  host.config_write(kPriControl, 1);
  host.put(kRoot + 0x6A * 16, kContexts | 1);
  host.put(kContexts + 8 * 32, kDirectory | 0x15);
  host.put(kDirectory, kPasids | 1);
  host.put(kPasids, kPml4 | 2 << 6 | 2 << 2 | 1);
  host.unit_write(0x20, 8, kRoot | 0x400);
  host.unit_write(0x18, 4, 3U << 30);
  host.unit_write(0x90, 8, kQueue | 0x800);
  host.unit_write(0x18, 4, 1U << 31 | 1U << 26);
  host.unit_write(0xD0, 8, kRequests);
  CHECK(host.function->request_page({.address = 0x6000, .read = true, .group = 3}));
  CHECK(host.get(kRequests) == (1U | std::uint64_t{host.function->requester_id().value()} << 16));
  CHECK(host.get(kRequests + 8) == (0x6000U | 3 << 3 | 1 << 2 | 1));
  CHECK(host.unit_read(0xC8, 8) == 32);
  host.put(kQueue, 9 | std::uint64_t{host.function->requester_id().value()} << 16);
  host.put(kQueue + 8, 3 << 3);
  host.put(kQueue + 16, 0);
  host.put(kQueue + 24, 0);
  host.unit_write(0x88, 4, 32);
  REQUIRE(host.function->responses.size() == 1);
  CHECK(host.function->responses[0].group == 3);
  CHECK(host.function->responses[0].code == pci::PageResponseCode::kSuccess);
}

}  // namespace baton::host::test
