// A machine without a kernel, for tests: flat RAM behind a root complex that translates nothing,
// one DSA on its own root bus, interrupts collected. The test is the software.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include "model/devices/dsa/descriptor.h"
#include "model/devices/dsa/dsa.h"
#include "model/devices/dsa/observations.h"
#include "model/devices/dsa/registers.h"
#include "model/pci/fabric.h"
#include "sim/memory.h"
#include "sim/simulation.h"

namespace baton::test {

namespace dsa = devices::dsa;

class FlatRootComplex final : public pci::RootComplex {
 public:
  static constexpr std::uint64_t kRamBytes = 256 << 20;

  pci::Completion request(const pci::MemoryRequest& request, std::span<std::byte> data) override {
    pci::Completion completion;
    completion.latency = sim::Duration::nanoseconds(300);
    if (request.write && request.address >> 20 == 0xFEE) {
      std::uint32_t vector = 0;
      std::memcpy(&vector, data.data(), 4);
      interrupts.push_back(vector);
      completion.destination = pci::Destination::kInterrupt;
      return completion;
    }
    const PhysAddr address(request.address);
    if (refused_pages.contains(address.page_number()) || !ram.contains(address, data.size())) {
      completion.stopped_at = "test";
      if (!request.write) completion.status = pci::CompletionStatus::kUnsupportedRequest;
      return completion;
    }
    (request.write ? writes : reads) += 1;
    last_pasid = request.pasid;
    if (request.write) {
      ram.write(address, data);
    } else {
      ram.read(address, data);
    }
    completion.destination = pci::Destination::kRam;
    completion.address = address;
    return completion;
  }

  sim::PhysicalMemory ram{kRamBytes};
  std::set<std::uint64_t> refused_pages;
  std::vector<std::uint32_t> interrupts;
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::optional<Pasid> last_pasid;
};

class FlatMachine {
 public:
  static constexpr std::uint64_t kBar0 = 0x38'0000'0000;
  static constexpr std::uint64_t kBar2 = 0x38'0010'0000;
  static constexpr Sbdf kDsa{0, Bdf(0x6A, 1, 0)};

  explicit FlatMachine(dsa::DsaConfig config = {}) {
    pci::Bus& bus = fabric.add_root_bus(0, 0x6A, 0x6F);
    device = &fabric.add(bus, 1, 0, dsa::make_dsa(simulation, config));
    config_write(0x10, 4, static_cast<std::uint32_t>(kBar0) | 0xC);
    config_write(0x14, 4, kBar0 >> 32);
    config_write(0x18, 4, static_cast<std::uint32_t>(kBar2) | 0xC);
    config_write(0x1C, 4, kBar2 >> 32);
    config_write(0x04, 2, 0x6);
    simulation.topic<dsa::DescriptorDone>().subscribe(
        [this](const dsa::DescriptorDone& done) { ended.push_back(done); });
    simulation.topic<dsa::DescriptorSubmitted>().subscribe(
        [this](const dsa::DescriptorSubmitted& seen) { submitted.push_back(seen); });
    simulation.topic<dsa::DescriptorStarted>().subscribe(
        [this](const dsa::DescriptorStarted& seen) { started.push_back(seen); });
    simulation.topic<dsa::DescriptorsAbandoned>().subscribe(
        [this](const dsa::DescriptorsAbandoned& seen) { abandoned.push_back(seen.wqs); });
  }

  std::uint32_t config_read(std::uint16_t offset, unsigned width) {
    return fabric.config_read(kDsa, offset, width);
  }
  void config_write(std::uint16_t offset, unsigned width, std::uint32_t value) {
    fabric.config_write(kDsa, offset, width, value);
  }

  std::uint64_t mmio_read(std::uint64_t address, unsigned width) {
    std::uint64_t value = 0;
    const auto bytes = std::as_writable_bytes(std::span(&value, 1)).first(width);
    fabric.cpu_read(PhysAddr(address), bytes);
    return value;
  }
  void mmio_write(std::uint64_t address, unsigned width, std::uint64_t value) {
    fabric.cpu_write(PhysAddr(address), std::as_bytes(std::span(&value, 1)).first(width));
  }
  std::uint64_t reg(std::uint64_t offset, unsigned width = 4) {
    return mmio_read(kBar0 + offset, width);
  }
  void set_reg(std::uint64_t offset, std::uint64_t value, unsigned width = 4) {
    mmio_write(kBar0 + offset, width, value);
  }

  void run(sim::Duration duration) { simulation.run_until(simulation.now() + duration); }

  // Writes CMD, waits for its end, returns the error field of CMDSTATUS.
  std::uint32_t command(dsa::Command code, std::uint32_t operand = 0) {
    set_reg(0xA0, static_cast<std::uint32_t>(code) << 20 | operand);
    while ((reg(0xA8) & 0x80000000) != 0 && simulation.step()) {
    }
    return static_cast<std::uint32_t>(reg(0xA8));
  }

  // Queue 0 with all entries, dedicated, group 0, engine 0.
  void configure(std::uint32_t size = 128) {
    set_reg(0x800, size);
    set_reg(0x808, 1u | 1u << 4);    // dedicated, priority 1
    set_reg(0x80C, 31u | 10u << 5);  // max transfer, max batch
    set_reg(0x600, 1, 8);            // group 0: queue 0
    set_reg(0x620, 1, 8);            // group 0: engine 0
  }
  void enable(std::uint32_t size = 128) {
    configure(size);
    command(dsa::Command::kEnableDevice);
    command(dsa::Command::kEnableWq, 0);
  }
  void enable_msix() {
    for (unsigned vector = 0; vector < 9; ++vector) {
      const std::uint64_t entry = kBar0 + 0x2000 + vector * 16ull;
      mmio_write(entry, 4, 0xFEE00000);
      mmio_write(entry + 4, 4, 0);
      mmio_write(entry + 8, 4, 0x40 + vector);
      mmio_write(entry + 12, 4, 0);
    }
    config_write(0x82, 2, 0x8000);
  }

  void submit(const dsa::Descriptor& descriptor, std::uint32_t wq = 0) {
    fabric.cpu_write(PhysAddr(kBar2 + wq * 0x4000ull), std::as_bytes(std::span(&descriptor, 1)));
  }
  dsa::CompletionRecord record(std::uint64_t address) {
    return root.ram.load<dsa::CompletionRecord>(PhysAddr(address));
  }

  void fill_random(std::uint64_t address, std::uint64_t length, std::uint64_t seed) {
    sim::Random random(seed, "fill");
    for (std::uint64_t i = 0; i < length; ++i) {
      root.ram.store(PhysAddr(address + i), static_cast<std::uint8_t>(random.next()));
    }
  }
  std::vector<std::byte> bytes(std::uint64_t address, std::uint64_t length) {
    std::vector<std::byte> result(length);
    root.ram.read(PhysAddr(address), result);
    return result;
  }

  sim::Simulation simulation{1};
  FlatRootComplex root;
  pci::Fabric fabric{simulation, root, {sim::Duration::nanoseconds(100), {}}};
  pci::Function* device = nullptr;
  std::vector<dsa::DescriptorDone> ended;
  std::vector<dsa::DescriptorSubmitted> submitted;
  std::vector<dsa::DescriptorStarted> started;
  std::vector<std::uint32_t> abandoned;  // queues, a bit each
};

// A descriptor that asks for its completion record.
inline dsa::Descriptor make_descriptor(dsa::Opcode opcode, std::uint64_t record,
                                       std::uint32_t more_flags = 0) {
  dsa::Descriptor descriptor;
  descriptor.set(opcode, dsa::flag::kRecordAddressValid | dsa::flag::kRequestRecord | more_flags);
  descriptor.record_address = record;
  return descriptor;
}

inline dsa::Descriptor make_move(std::uint64_t source, std::uint64_t destination,
                                 std::uint32_t size, std::uint64_t record,
                                 std::uint32_t more_flags = 0) {
  dsa::Descriptor descriptor = make_descriptor(dsa::Opcode::kMemoryMove, record, more_flags);
  descriptor.source = source;
  descriptor.destination = destination;
  descriptor.size = size;
  return descriptor;
}

}  // namespace baton::test
