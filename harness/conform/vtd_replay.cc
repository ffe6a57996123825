#include "harness/conform/vtd_replay.h"

#include <fmt/format.h>

#include <cstring>
#include <set>

#include "model/iommu_vtd/remapping_unit.h"

namespace baton::harness {

namespace {

constexpr std::uint64_t kMemoryBytes = 6ULL << 30;
constexpr std::uint64_t kPage = 0x1000;
constexpr std::uint64_t kInterruptsFrom = 0xFEE0'0000;
constexpr std::uint64_t kInterruptsTo = 0xFEEF'FFFF;

// Bridges of the measured machine and the bus below each at the start.
struct BridgeBus {
  Bdf bridge;
  unsigned secondary;
};
constexpr std::array kBridges{BridgeBus{Bdf(0, 5, 0), 1}, BridgeBus{Bdf(0, 6, 0), 2},
                              BridgeBus{Bdf(2, 0, 0), 3}, BridgeBus{Bdf(0, 7, 0), 4}};

class Replay {
 public:
  explicit Replay(const iommu_vtd::Profile& profile)
      : unit_(simulation_, memory_, "dmar0", PhysAddr(0xFED9'0000), profile,
              [this](std::uint64_t address, std::uint32_t data) { deliver(address, data); }),
        bridges_(kBridges) {}

  void fill(const std::vector<VtdMemory>& ranges) {
    for (const VtdMemory& range : ranges) {
      if (memory_.contains(PhysAddr(range.gpa), range.bytes.size())) {
        memory_.write(PhysAddr(range.gpa), range.bytes);
      }
    }
  }

  VtdFacts run(const VtdStep& step) {
    VtdFacts facts;
    irqs_.clear();
    switch (step.op) {
      case VtdStep::Op::kRegisterWrite:
        unit_.mmio_write(step.address, step.size, step.value);
        break;
      case VtdStep::Op::kRegisterRead:
        add_register(facts, unit_.profile(), step,
                     unit_.mmio_read(step.address, step.size) & step.mask);
        break;
      case VtdStep::Op::kMemoryWrite:
        store(step);
        break;
      case VtdStep::Op::kMemoryRead:
        facts["bytes"] = hex_of(load(step.address, step.length));
        break;
      case VtdStep::Op::kBusMaster:
        step.enable ? static_cast<void>(stopped_.erase(step.device))
                    : static_cast<void>(stopped_.insert(step.device));
        break;
      case VtdStep::Op::kBridgeRenumber:
        renumber(step);
        break;
      case VtdStep::Op::kDeviceWrite:
        if (!stopped_.contains(step.device)) {
          std::vector<std::byte> sent = step.data;
          transfer(step.requester, step.address, sent, true);
        }
        break;
      case VtdStep::Op::kDeviceRead:
        read(step, facts);
        break;
      case VtdStep::Op::kDeviceMessage:
        if (!stopped_.contains(step.device)) {
          write_interrupt(step.requester, step.address, static_cast<std::uint32_t>(step.value));
        }
        break;
    }
    facts["irqs"] = irqs_;
    return facts;
  }

  VtdFacts end() {
    VtdFacts facts;
    const auto fact = [&](const char* name, unsigned offset, unsigned width) {
      facts[name] = fmt::format("{:#x}", unit_.mmio_read(offset, width));
    };
    fact("GSTS", 0x1C, 4);
    fact("FSTS", 0x34, 4);
    fact("FECTL", 0x38, 4);
    fact("ICS", 0x9C, 4);
    fact("IQH", 0x80, 8);
    const std::uint64_t records = unit_.profile().fault_record_offset();
    for (unsigned index = 0; index < unit_.profile().fault_records(); ++index) {
      const std::uint64_t at = records + index * 16ULL;
      add_fault_record(facts, index, {unit_.mmio_read(at, 8), unit_.mmio_read(at + 8, 8)});
    }
    return facts;
  }

 private:
  void store(const VtdStep& step) {
    PhysAddr at(step.address);
    for (std::uint64_t round = 0; round < step.repeat; ++round) {
      for (const std::uint64_t word : step.words64) {
        if (memory_.contains(at, 8)) {
          memory_.store(at, word);
        }
        at = at + 8;
      }
    }
  }

  std::vector<std::byte> load(std::uint64_t address, std::uint64_t length) {
    std::vector<std::byte> data(length);
    if (memory_.contains(PhysAddr(address), length)) {
      memory_.read(PhysAddr(address), data);
    }
    return data;
  }

  // A function that was stopped stays so under its new address.
  void renumber(const VtdStep& step) {
    const auto bridge = std::ranges::find(bridges_, step.bridge, &BridgeBus::bridge);
    if (bridge == bridges_.end()) {
      return;
    }
    std::set<Bdf> stopped;
    for (const Bdf bdf : stopped_) {
      const unsigned bus = bdf.bus() == bridge->secondary ? step.secondary : bdf.bus();
      stopped.insert(Bdf(bus, bdf.device(), bdf.function()));
    }
    stopped_ = std::move(stopped);
    bridge->secondary = step.secondary;
  }

  void read(const VtdStep& step, VtdFacts& facts) {
    std::vector<std::byte> data(step.length);
    const std::uint64_t pages = ((step.address & (kPage - 1)) + data.size() + kPage - 1) / kPage;
    const std::uint64_t refused = stopped_.contains(step.device)
                                      ? pages
                                      : transfer(step.requester, step.address, data, false);
    facts["status"] = std::string(refused == 0 ? "ok" : refused < pages ? "partial" : "blocked");
    if (refused < pages) {
      facts["data"] = hex_of(data);
    }
  }

  // Page by page; returns the number of refused parts, whose bytes stay zero.
  std::uint64_t transfer(Bdf requester, std::uint64_t iova, std::span<std::byte> data, bool write) {
    std::uint64_t refused = 0;
    while (!data.empty()) {
      const std::uint64_t room = kPage - (iova & (kPage - 1));
      const auto part = data.first(std::min<std::uint64_t>(data.size(), room));
      if (write && part.size() == 4 && iova >= kInterruptsFrom && iova <= kInterruptsTo) {
        std::uint32_t value = 0;
        std::memcpy(&value, part.data(), sizeof value);
        write_interrupt(requester, iova, value);
      } else {
        refused += move(requester, iova, part, write) ? 0 : 1;
      }
      iova += part.size();
      data = data.subspan(part.size());
    }
    return refused;
  }

  bool move(Bdf requester, std::uint64_t iova, std::span<std::byte> data, bool write) {
    pci::MemoryRequest request;
    request.requester = requester;
    request.address = iova;
    request.length = static_cast<std::uint32_t>(data.size());
    request.write = write;
    const iommu_vtd::Translation translation = unit_.translate(request);
    if (!translation.allowed) {
      return false;
    }
    if (memory_.contains(translation.address, data.size())) {
      if (write) {
        memory_.write(translation.address, data);
      } else {
        memory_.read(translation.address, data);
      }
    }
    return true;
  }

  void write_interrupt(Bdf requester, std::uint64_t address, std::uint32_t data) {
    if (address < kInterruptsFrom || address > kInterruptsTo) {
      std::array<std::byte, 4> raw{};
      std::memcpy(raw.data(), &data, sizeof data);
      move(requester, address, raw, true);
      return;
    }
    const iommu_vtd::RemappedInterrupt irq = unit_.remap(requester, address, data);
    if (irq.allowed) {
      irqs_ += irq_fact(irq.destination, irq.logical, irq.delivery_mode, irq.vector.value(),
                        irq.level_triggered);
    }
  }

  // A message of the unit itself. With extended interrupt mode the upper address has bits 31:8 of
  // the destination [VT-d 5.1.6].
  void deliver(std::uint64_t address, std::uint32_t data) {
    const std::uint64_t destination = (address >> 12 & 0xFF) | (address >> 32 & 0xFFFF'FF00);
    irqs_ += irq_fact(destination, (address >> 2 & 1) != 0, data >> 8 & 7, data & 0xFF,
                      (data >> 15 & 1) != 0);
  }

  sim::Simulation simulation_{1};
  sim::PhysicalMemory memory_{kMemoryBytes};
  std::string irqs_;
  std::set<Bdf> stopped_;  // functions without bus master
  iommu_vtd::RemappingUnit unit_;
  std::array<BridgeBus, kBridges.size()> bridges_;
};

}  // namespace

VtdOutcome replay_vtd_vector(const VtdVector& vector, const iommu_vtd::Profile& profile) {
  VtdOutcome outcome;
  try {
    Replay replay(profile);
    replay.fill(vector.memory);
    for (const VtdStep& step : vector.steps) {
      outcome.steps.push_back(replay.run(step));
    }
    outcome.end = replay.end();
  } catch (const sim::BugError& error) {
    outcome.bug = error.what();
  }
  return outcome;
}

iommu_vtd::Profile without_caches(iommu_vtd::Profile profile) {
  profile.context_cache_entries = 0;
  profile.iotlb_entries = 0;
  profile.interrupt_cache_entries = 0;
  profile.pasid_cache_entries = 0;
  profile.paging_cache_entries = 0;
  return profile;
}

}  // namespace baton::harness
