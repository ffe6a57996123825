// A machine without a kernel: flat RAM behind a root complex that translates nothing, a root port,
// and one NVMe controller below it. The test is the driver.
#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include "model/devices/nvme/commands.h"
#include "model/devices/nvme/nvme.h"
#include "model/devices/nvme/observations.h"
#include "model/devices/nvme/registers.h"
#include "model/pci/bridge.h"
#include "model/pci/fabric.h"
#include "sim/memory.h"
#include "sim/simulation.h"

namespace baton::test {

namespace nvme = devices::nvme;
using nvme::AdminOpcode;
using nvme::CompletionEntry;
using nvme::Opcode;
using nvme::Status;
using nvme::SubmissionEntry;

class NvmeRoot final : public pci::RootComplex {
 public:
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
    request.write ? ram.write(address, data) : ram.read(address, data);
    completion.destination = pci::Destination::kRam;
    completion.address = address;
    return completion;
  }

  sim::PhysicalMemory ram{64 << 20};
  std::set<std::uint64_t> refused_pages;
  std::vector<std::uint32_t> interrupts;
};

class NvmeBench {
 public:
  static constexpr std::uint64_t kBar = 0xFE80'0000;
  static constexpr Sbdf kPort{0, Bdf(0, 0x1C, 0)};
  static constexpr Sbdf kDevice{0, Bdf(1, 0, 0)};
  static constexpr std::uint64_t kAdminSq = 0x10000;
  static constexpr std::uint64_t kAdminCq = 0x11000;
  static constexpr std::uint64_t kIoSq = 0x12000;
  static constexpr std::uint64_t kIoCq = 0x13000;
  static constexpr std::uint64_t kBuffer = 0x100000;
  static constexpr std::uint32_t kEntries = 16;

  explicit NvmeBench(nvme::NvmeConfig config = {}) {
    pci::Bus& root_bus = fabric.add_root_bus(0, 0, 0xFF);
    pci::ConfigSpace port = pci::ConfigSpace::type1({.vendor = 0x8086, .device = 0xA110});
    port.add_capability(0x40, pci::CapabilityId::kExpress, {{2, 2, 0x0042}});
    auto owned = std::make_unique<pci::Bridge>(simulation, "port", std::move(port));
    bridge = owned.get();
    fabric.add(root_bus, 0x1C, 0, std::move(owned));
    fabric.config_write(kPort, 0x18, 4, 0x00010100);  // buses 0, 1, 1
    fabric.config_write(kPort, 0x20, 4, 0xFE80FE80);  // memory fe800000-fe8fffff
    fabric.config_write(kPort, 0x24, 4, 0x0001FFF1);  // no prefetchable memory
    fabric.config_write(kPort, 0x04, 2, 0x0006);
    device = &fabric.add(bridge->secondary_bus(), 0, 0, nvme::make_nvme(simulation, config));
    config_write(0x10, 4, kBar);
    config_write(0x04, 2, 0x0006);
    simulation.topic<nvme::CommandDone>().subscribe(
        [this](const nvme::CommandDone& seen) { done.push_back(seen); });
    simulation.topic<nvme::CommandsDropped>().subscribe(
        [this](const nvme::CommandsDropped& seen) { dropped += seen.count; });
    simulation.topic<nvme::ControllerFailed>().subscribe(
        [this](const nvme::ControllerFailed&) { ++failures; });
  }

  std::uint32_t config_read(std::uint16_t offset, unsigned width) {
    return fabric.config_read(target, offset, width);
  }
  void config_write(std::uint16_t offset, unsigned width, std::uint32_t value) {
    fabric.config_write(target, offset, width, value);
  }
  std::uint64_t reg(std::uint64_t offset, unsigned width = 4) {
    std::uint64_t value = 0;
    fabric.cpu_read(PhysAddr(bar + offset),
                    std::as_writable_bytes(std::span(&value, 1)).first(width));
    return value;
  }
  void set_reg(std::uint64_t offset, std::uint64_t value, unsigned width = 4) {
    fabric.cpu_write(PhysAddr(bar + offset), std::as_bytes(std::span(&value, 1)).first(width));
  }
  void run(sim::Duration duration) { simulation.run_until(simulation.now() + duration); }

  void enable(std::uint32_t configuration = 0x00460001) {
    set_reg(nvme::offset::kAqa, (kEntries - 1) << 16 | (kEntries - 1));
    set_reg(nvme::offset::kAsq, kAdminSq, 8);
    set_reg(nvme::offset::kAcq, kAdminCq, 8);
    set_reg(nvme::offset::kCc, configuration);
    run(sim::Duration::milliseconds(3));
    tails = {};
    heads = {};
  }
  bool ready() { return (reg(nvme::offset::kCsts) & 1) != 0; }
  bool fatal() { return (reg(nvme::offset::kCsts) & 2) != 0; }

  // Puts a command into queue 0 or 1 and rings.
  void send(unsigned queue, SubmissionEntry entry, bool ring = true) {
    const std::uint64_t base = queue == 0 ? kAdminSq : kIoSq;
    root.ram.store(PhysAddr(base + tails[queue] * sizeof entry), entry);
    tails[queue] = (tails[queue] + 1) % kEntries;
    if (ring) set_reg(nvme::offset::kDoorbells + 8 * queue, tails[queue]);
  }
  // The next completion of a queue, taken; a status that no command has if there is none in time.
  CompletionEntry take(unsigned queue) {
    const std::uint64_t base = queue == 0 ? kAdminCq : kIoCq;
    const bool phase = heads[queue] / kEntries % 2 == 0;
    CompletionEntry entry;
    for (unsigned wait = 0; wait < 400; ++wait) {
      const PhysAddr at(base + heads[queue] % kEntries * sizeof entry);
      entry = root.ram.load<CompletionEntry>(at);
      if (entry.phase() == phase) {
        ++heads[queue];
        set_reg(nvme::offset::kDoorbells + 8 * queue + 4, heads[queue] % kEntries);
        return entry;
      }
      run(sim::Duration::microseconds(50));
    }
    entry.status = 0xFFFE;
    return entry;
  }
  Status admin(SubmissionEntry entry) {
    send(0, entry);
    last = take(0);
    return last.code();
  }
  Status io(SubmissionEntry entry) {
    send(1, entry);
    last = take(1);
    return last.code();
  }

  static SubmissionEntry command(AdminOpcode opcode, std::uint32_t cdw10 = 0,
                                 std::uint32_t cdw11 = 0, std::uint64_t prp1 = 0) {
    SubmissionEntry entry;
    entry.opcode = static_cast<std::uint8_t>(opcode);
    entry.cdw10 = cdw10;
    entry.cdw11 = cdw11;
    entry.prp1 = prp1;
    return entry;
  }
  // `blocks` of 512 bytes from block `first`.
  static SubmissionEntry transfer(Opcode opcode, std::uint64_t first, std::uint32_t blocks,
                                  std::uint64_t prp1, std::uint64_t prp2 = 0) {
    SubmissionEntry entry;
    entry.opcode = static_cast<std::uint8_t>(opcode);
    entry.namespace_id = 1;
    entry.prp1 = prp1;
    entry.prp2 = prp2;
    entry.cdw10 = static_cast<std::uint32_t>(first);
    entry.cdw11 = static_cast<std::uint32_t>(first >> 32);
    entry.cdw12 = blocks - 1;
    return entry;
  }
  Status create_completion(std::uint32_t id = 1, std::uint32_t flags = 3, std::uint32_t vector = 1,
                           std::uint64_t base = kIoCq, std::uint32_t entries = kEntries) {
    return admin(command(AdminOpcode::kCreateCompletionQueue, (entries - 1) << 16 | id,
                         vector << 16 | flags, base));
  }
  Status create_submission(std::uint32_t id = 1, std::uint32_t completion = 1,
                           std::uint32_t flags = 1, std::uint64_t base = kIoSq,
                           std::uint32_t entries = kEntries) {
    return admin(command(AdminOpcode::kCreateSubmissionQueue, (entries - 1) << 16 | id,
                         completion << 16 | flags, base));
  }
  // Enabled, with one pair of I/O queues.
  void bring_up() {
    enable();
    static_cast<void>(create_completion());
    static_cast<void>(create_submission());
  }
  void enable_msix() {
    for (unsigned i = 0; i < 5; ++i) {
      set_reg(0x2000 + 16 * i, 0xFEE00000);
      set_reg(0x2000 + 16 * i + 8, 0x40 + i);
      set_reg(0x2000 + 16 * i + 12, 0);
    }
    config_write(0x52, 2, 0x8000);
  }
  void fill(std::uint64_t address, std::uint64_t bytes, std::uint64_t seed) {
    for (std::uint64_t i = 0; i < bytes; i += 8) {
      root.ram.store(PhysAddr(address + i), (seed + i) * 0x9E3779B97F4A7C15);
    }
  }
  bool equal(std::uint64_t a, std::uint64_t b, std::uint64_t bytes) {
    for (std::uint64_t i = 0; i < bytes; i += 8) {
      if (root.ram.load<std::uint64_t>(PhysAddr(a + i)) !=
          root.ram.load<std::uint64_t>(PhysAddr(b + i))) {
        return false;
      }
    }
    return true;
  }

  sim::Simulation simulation{1};
  NvmeRoot root;
  pci::Fabric fabric{
      simulation, root, {sim::Duration::nanoseconds(100), sim::Duration::nanoseconds(50)}};
  // Who is driven: the controller, or one of its virtual functions.
  Sbdf target = kDevice;
  std::uint64_t bar = kBar;
  pci::Bridge* bridge = nullptr;
  pci::Function* device = nullptr;
  std::vector<nvme::CommandDone> done;
  std::uint64_t dropped = 0;
  unsigned failures = 0;
  std::array<std::uint32_t, 2> tails{};
  std::array<std::uint32_t, 2> heads{};
  CompletionEntry last;
};

}  // namespace baton::test
