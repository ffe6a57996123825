// A remapping unit over 1 GiB of RAM, with a device 00:03.0 whose context entry names a 4-level
// table that maps IOVA 5000h to physical 20'0000'00h, read and write.
#pragma once

#include "model/iommu_vtd/observations.h"
#include "model/iommu_vtd/profiles.h"
#include "model/iommu_vtd/remapping_unit.h"

namespace baton::test {

struct Offset {
  static constexpr std::uint64_t kGcmd = 0x18, kGsts = 0x1C, kRtaddr = 0x20, kCcmd = 0x28,
                                 kFsts = 0x34, kFectl = 0x38, kFedata = 0x3C, kFeaddr = 0x40,
                                 kPmen = 0x64, kPlmbase = 0x68, kPlmlimit = 0x6C, kPhmbase = 0x70,
                                 kPhmlimit = 0x78, kIqh = 0x80, kIqt = 0x88, kIqa = 0x90,
                                 kIcs = 0x9C, kIectl = 0xA0, kIedata = 0xA4, kIeaddr = 0xA8,
                                 kIqercd = 0xB0, kIrta = 0xB8, kFrcd = 0x400, kIva = 0x500,
                                 kIotlb = 0x508;
};

struct UnitFixture {
  static constexpr std::uint64_t kRoot = 0x10'0000, kContexts = 0x10'1000, kPml4 = 0x10'2000,
                                 kPdpt = 0x10'3000, kPd = 0x10'4000, kPt = 0x10'5000,
                                 kQueue = 0x11'0000, kStatus = 0x11'1000, kRemapTable = 0x12'0000,
                                 kTarget = 0x2000'0000;
  static constexpr std::uint16_t kDomain = 7;
  static constexpr std::uint32_t kTe = 1U << 31, kSrtp = 1U << 30, kQie = 1U << 26, kIre = 1U << 25,
                                 kSirtp = 1U << 24, kCfi = 1U << 23;

  explicit UnitFixture(const iommu_vtd::Profile& profile = iommu_vtd::sapphire_rapids_legacy())
      : unit(simulation, memory, "dmar0", PhysAddr(0xFED9'0000), profile,
             [this](std::uint64_t address, std::uint32_t data) {
               messages.emplace_back(address, data);
             }) {
    simulation.topic<iommu_vtd::Fault>().subscribe(
        [this](const iommu_vtd::Fault& fault) { faults.push_back(fault); });
    put(kRoot, kContexts | 1, 0);
    put(context_at(device), kPml4 | 1, 2 | kDomain << 8);
    put(kPml4, kPdpt | 3);
    put(kPdpt, kPd | 3);
    put(kPd, kPt | 3);
    put(kPt + 5 * 8, kTarget | 3);
  }

  static std::uint64_t context_at(Bdf source) { return kContexts + source.devfn() * 16; }
  void put(std::uint64_t at, std::uint64_t value) { memory.store(PhysAddr(at), value); }
  void put(std::uint64_t at, std::uint64_t low, std::uint64_t high) {
    put(at, low);
    put(at + 8, high);
  }

  std::uint32_t read32(std::uint64_t offset) {
    return static_cast<std::uint32_t>(unit.mmio_read(offset, 4));
  }
  void write32(std::uint64_t offset, std::uint32_t value) { unit.mmio_write(offset, 4, value); }
  std::uint64_t read64(std::uint64_t offset) { return unit.mmio_read(offset, 8); }
  void write64(std::uint64_t offset, std::uint64_t value) { unit.mmio_write(offset, 8, value); }

  // Level bits that are on stay on.
  void command(std::uint32_t bits) {
    constexpr std::uint32_t kLevels = kTe | kQie | kIre | kCfi;
    write32(Offset::kGcmd, (read32(Offset::kGsts) & kLevels) | bits);
  }
  void set_root(std::uint64_t root = kRoot) {
    write64(Offset::kRtaddr, root);
    command(kSrtp);
  }
  void enable() {
    set_root();
    command(kTe);
  }

  iommu_vtd::Translation request(std::uint64_t iova, bool write, std::uint32_t length = 64) {
    pci::MemoryRequest memory_request;
    memory_request.requester = device;
    memory_request.address = iova;
    memory_request.length = length;
    memory_request.write = write;
    return unit.translate(memory_request);
  }
  iommu_vtd::Translation read(std::uint64_t iova) { return request(iova, false); }
  iommu_vtd::Translation write(std::uint64_t iova) { return request(iova, true); }

  // The fault record: reason and source, 0 if there is none.
  unsigned recorded_reason() {
    return static_cast<unsigned>(read64(Offset::kFrcd + 8) >> 32 & 0xFF);
  }
  bool has_record() { return read64(Offset::kFrcd + 8) >> 63 != 0; }

  void enable_queue() {
    write32(Offset::kIqt, 0);
    write64(Offset::kIqa, kQueue);
    command(kQie);
  }
  // Appends one descriptor and rings.
  void submit(std::uint64_t low, std::uint64_t high = 0) {
    const std::uint64_t tail = read64(Offset::kIqt);
    put(kQueue + tail, low, high);
    write32(Offset::kIqt, static_cast<std::uint32_t>((tail + 16) % 4096));
  }
  unsigned queue_error() {
    return (read32(Offset::kFsts) & 0x10) == 0
               ? 0U
               : static_cast<unsigned>(read64(Offset::kIqercd) & 0xF);
  }

  Bdf device{0, 3, 0};
  sim::Simulation simulation{1};
  sim::PhysicalMemory memory{1ULL << 30};
  std::vector<std::pair<std::uint64_t, std::uint32_t>> messages;
  std::vector<iommu_vtd::Fault> faults;
  iommu_vtd::RemappingUnit unit;
};

}  // namespace baton::test
