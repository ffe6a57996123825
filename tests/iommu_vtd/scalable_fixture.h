// Scalable mode for 00:03.0, with PASIDs 0 to 3: second stage alone, first stage alone, nested,
// pass-through. Each maps 5000h (pass-through: everything).
#pragma once

#include "tests/iommu_vtd/unit_fixture.h"

namespace baton::test {

inline iommu_vtd::Profile every_feature() {
  iommu_vtd::Profile profile = iommu_vtd::sapphire_rapids();
  // PRS, ERS, PDS, RPRIVS
  profile.ecap |= std::uint64_t{1} << 29 | std::uint64_t{1} << 30 | std::uint64_t{1} << 42 |
                  std::uint64_t{1} << 53;
  return profile;
}

struct ScalableFixture : UnitFixture {
  static constexpr std::uint64_t kScalableContexts = 0x14'0000, kDirectory = 0x14'1000,
                                 kPasids = 0x14'2000, kFirst4 = 0x15'0000, kFirst3 = 0x15'1000,
                                 kFirst2 = 0x15'2000, kFirst1 = 0x15'3000, kOuter4 = 0x16'0000,
                                 kOuter3 = 0x16'1000, kFirstTarget = 0x2100'0000;
  static constexpr std::uint64_t kUnmapped = 0x8000'0000;    // by the outer second stage
  static constexpr std::uint64_t kNowhere = 0x40'0000'0000;  // no RAM
  static constexpr std::uint16_t kFirstDomain = 8, kNestedDomain = 9, kPassDomain = 1;

  explicit ScalableFixture(const iommu_vtd::Profile& profile = every_feature())
      : UnitFixture(profile) {
    put(kRoot, kScalableContexts | 1, 0);
    put(context(), kDirectory | 0x1D, 0);  // PRE, PASIDE, DTE, P
    put(kDirectory, kPasids | 1);
    pasid_entry(0, kPml4 | 2 << 6 | 2 << 2 | 1, kDomain, 0);
    pasid_entry(1, 1 << 6 | 1, kFirstDomain, kFirst4);
    pasid_entry(2, kOuter4 | 3 << 6 | 2 << 2 | 1, kNestedDomain, kFirst4);
    pasid_entry(3, 4 << 6 | 1, kPassDomain, 0);
    put(kFirst4, kFirst3 | 7);
    put(kFirst3, kFirst2 | 7);
    put(kFirst2, kFirst1 | 7);
    put(kFirst1 + 5 * 8, kFirstTarget | 7);
    put(kOuter4, kOuter3 | 3);
    put(kOuter3, 0x83);  // the first GiB as it is
    set_root(kRoot | 0x400);
    command(kTe);
  }

  std::uint64_t context() const { return kScalableContexts + device.devfn() * 32; }
  static std::uint64_t pasid_at(unsigned pasid) { return kPasids + pasid * 64; }
  static constexpr std::uint64_t kSnooped = 1 << 23;  // PWSNP
  void pasid_entry(unsigned pasid, std::uint64_t low, std::uint64_t domain, std::uint64_t first) {
    put(pasid_at(pasid), low, domain | kSnooped);
    put(pasid_at(pasid) + 16, first);
  }

  // Appends one 256-bit descriptor and rings.
  void enable_wide_queue() {
    write32(Offset::kIqt, 0);
    write64(Offset::kIqa, kQueue | 0x800);
    command(kQie);
  }
  void send(std::uint64_t low, std::uint64_t high = 0) {
    const std::uint64_t tail = read64(Offset::kIqt);
    put(kQueue + tail, low, high);
    put(kQueue + tail + 16, 0, 0);
    write32(Offset::kIqt, static_cast<std::uint32_t>((tail + 32) % 4096));
  }

  struct Ask {
    std::optional<unsigned> pasid{};
    std::uint64_t iova = 0x5000;
    bool write = false;
    pci::AddressType type = pci::AddressType::kUntranslated;
    bool privileged = false;
    bool execute = false;
  };
  iommu_vtd::Translation ask(const Ask& what) {
    pci::MemoryRequest memory_request;
    memory_request.requester = device;
    memory_request.address = what.iova;
    memory_request.length = 64;
    memory_request.write = what.write;
    memory_request.type = what.type;
    memory_request.privileged = what.privileged;
    memory_request.execute = what.execute;
    if (what.pasid) {
      memory_request.pasid = Pasid(*what.pasid);
    }
    return unit.translate(memory_request);
  }
};

}  // namespace baton::test
