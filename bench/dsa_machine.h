// A DSA behind a remapping unit with the tables of bench/bare_walk.h, RAM, and no kernel: the
// benchmark is the software.
#pragma once

#include <array>
#include <cstdlib>
#include <span>

#include "bench/bare_walk.h"
#include "model/devices/dsa/descriptor.h"
#include "model/devices/dsa/dsa.h"
#include "model/devices/dsa/registers.h"
#include "model/iommu_vtd/profiles.h"
#include "model/iommu_vtd/remapping_unit.h"
#include "model/pci/fabric.h"
#include "model/pci/observations.h"
#include "sim/memory.h"

namespace baton::bench {

namespace dsa = devices::dsa;

class TranslatingRoot final : public pci::RootComplex {
 public:
  TranslatingRoot(sim::PhysicalMemory& memory, iommu_vtd::RemappingUnit& unit)
      : memory_(memory), unit_(unit) {}

  pci::Completion request(const pci::MemoryRequest& request, std::span<std::byte> data) override {
    const iommu_vtd::Translation found = unit_.translate(request);
    if (!found.allowed) std::abort();
    if (request.write) {
      memory_.write(found.address, data);
    } else {
      memory_.read(found.address, data);
    }
    pci::Completion completion;
    completion.destination = pci::Destination::kRam;
    completion.address = found.address;
    completion.latency = sim::Duration::nanoseconds(300);
    return completion;
  }

 private:
  sim::PhysicalMemory& memory_;
  iommu_vtd::RemappingUnit& unit_;
};

class DsaMachine {
 public:
  static constexpr Word kPages = Word{1} << 14;
  static constexpr Word kQueue = 64;

  DsaMachine() {
    const auto get = [this](Word at) { return memory_.load<Word>(PhysAddr(at)); };
    const auto put = [this](Word at, Word value) { memory_.store(PhysAddr(at), value); };
    put(kRoot + kBus * 16, kContexts | 1);
    put(kContexts + 8 * 16, kTop | 1);  // device 1, function 0
    put(kContexts + 8 * 16 + 8, 2 | 7 << 8);
    map_pages(kPages, get, put);
    unit_.mmio_write(0x20, 8, kRoot);
    unit_.mmio_write(0x18, 4, 1U << 30);
    unit_.mmio_write(0x18, 4, 1U << 31);
    pci::Bus& bus = fabric_.add_root_bus(0, kBus, kBus);
    fabric_.add(bus, 1, 0, dsa::make_dsa(simulation_, {}));
    set_config(0x10, 4, kBar0 | 0xC);
    set_config(0x14, 4, kBar0 >> 32);
    set_config(0x18, 4, kBar2 | 0xC);
    set_config(0x1C, 4, kBar2 >> 32);
    set_config(0x04, 2, 0x6);
    set_register(0x800, kQueue, 4);
    set_register(0x808, 1 | 1 << 4, 4);    // dedicated, priority 1
    set_register(0x80C, 31 | 10 << 5, 4);  // longest transfer and batch
    set_register(0x600, 1, 8);             // group 0: queue 0
    set_register(0x620, 1, 8);             // and engine 0
    command(dsa::Command::kEnableDevice);
    command(dsa::Command::kEnableWq);
  }

  // Copies `bytes` at a time, source and destination over all pages in turn. Returns how many.
  Word copy(Word descriptors, std::uint32_t bytes) {
    const Word buffers = kPages * 4096 / 2 / std::max<Word>(bytes, 4096);
    for (Word done = 0; done < descriptors;) {
      for (Word i = 0; i < kQueue && done < descriptors; ++i, ++done, ++next_) {
        const Word at = next_ % buffers * std::max<Word>(bytes, 4096);
        dsa::Descriptor descriptor;
        descriptor.set(dsa::Opcode::kMemoryMove,
                       dsa::flag::kRecordAddressValid | dsa::flag::kRequestRecord);
        descriptor.source = kIova + at;
        descriptor.destination = kIova + kPages * 4096 / 2 + at;
        descriptor.size = bytes;
        // In the last page, whose bytes nobody looks at.
        descriptor.record_address = kIova + kPages * 4096 - 64 - i * 64;
        fabric_.cpu_write(PhysAddr(kBar2), std::as_bytes(std::span(&descriptor, 1)));
      }
      simulation_.run();
    }
    return descriptors;
  }

  sim::Simulation& simulation() { return simulation_; }

 private:
  static constexpr Word kRoot = 0x1000, kContexts = 0x2000;
  static constexpr std::uint8_t kBus = 0x6A;
  static constexpr Word kBar0 = 0x38'0000'0000, kBar2 = 0x38'0010'0000;

  void set_config(std::uint16_t offset, unsigned width, Word value) {
    fabric_.config_write({0, Bdf(kBus, 1, 0)}, offset, width, static_cast<std::uint32_t>(value));
  }
  void set_register(Word offset, Word value, unsigned width) {
    fabric_.cpu_write(PhysAddr(kBar0 + offset), std::as_bytes(std::span(&value, 1)).first(width));
  }
  void command(dsa::Command code) {
    set_register(0xA0, static_cast<Word>(code) << 20, 4);
    simulation_.run();
  }

  sim::Simulation simulation_{1};
  sim::PhysicalMemory memory_{memory_for(kPages)};
  iommu_vtd::RemappingUnit unit_{simulation_,
                                 memory_,
                                 "dmar0",
                                 PhysAddr(0xFED9'0000),
                                 iommu_vtd::sapphire_rapids_legacy(),
                                 [](std::uint64_t, std::uint32_t) {}};
  TranslatingRoot root_{memory_, unit_};
  pci::Fabric fabric_{simulation_, root_, pci::FabricTiming{}};
  Word next_ = 0;
};

}  // namespace baton::bench
