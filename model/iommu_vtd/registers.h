// The registers of a remapping unit, in the order of the register map [VT-d 11.4], and the file
// that holds their values.
//
// Not modelled and read as zero because their capability bits are 0: MTRRs (ECAP.MTS), performance
// monitoring (ECAP.PMS), enhanced and virtual commands (CAP.ECMDS, ECAP.VCS).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/iommu_vtd/fields.h"
#include "model/iommu_vtd/profile.h"

namespace baton::iommu_vtd {

enum class Reg : std::uint8_t {
  kVer,
  kCap,
  kEcap,
  kGcmd,
  kGsts,
  kRtaddr,
  kCcmd,
  kFsts,
  kFectl,
  kFedata,
  kFeaddr,
  kFeuaddr,
  kAflog,
  kPmen,
  kPlmbase,
  kPlmlimit,
  kPhmbase,
  kPhmlimit,
  kIqh,
  kIqt,
  kIqa,
  kIcs,
  kIectl,
  kIedata,
  kIeaddr,
  kIeuaddr,
  kIqercd,
  kIrta,
  kPqh,
  kPqt,
  kPqa,
  kPrs,
  kPectl,
  kPedata,
  kPeaddr,
  kPeuaddr,
  kIva,      // at ECAP.IRO * 16
  kIotlb,    // 8 bytes further
  kFrcdLow,  // at CAP.FRO * 16, one pair for each fault record
  kFrcdHigh,
  kCount,
};

// Where a register lies: an offset of the map, or relative to what CAP or ECAP point at.
enum class Base : std::uint8_t { kBlock, kIotlbRegisters, kFaultRecords };

// The capability without which all bits of the register are reserved.
enum class Needs : std::uint8_t {
  kNothing,
  kAfl,
  kProtectedLow,
  kProtectedHigh,
  kProtected,
  kEim,
  kIr,
  kPageRequests
};

struct Register {
  Reg reg;
  std::string_view name;
  std::uint32_t offset;
  unsigned bytes;  // 4 or 8
  std::uint64_t reset;
  std::span<const Field> fields;
  Base base = Base::kBlock;
  Needs needs = Needs::kNothing;
};

std::span<const Register> register_rows();

namespace gcmd {  // and GSTS, bit for bit
inline constexpr Field kTe{"TE", 31, 31, Access::kWriteOnly};
inline constexpr Field kSrtp{"SRTP", 30, 30, Access::kWriteOnly};
inline constexpr Field kSfl{"SFL", 29, 29, Access::kWriteOnly};
inline constexpr Field kEafl{"EAFL", 28, 28, Access::kWriteOnly};
inline constexpr Field kWbf{"WBF", 27, 27, Access::kWriteOnly};
inline constexpr Field kQie{"QIE", 26, 26, Access::kWriteOnly};
inline constexpr Field kIre{"IRE", 25, 25, Access::kWriteOnly};
inline constexpr Field kSirtp{"SIRTP", 24, 24, Access::kWriteOnly};
inline constexpr Field kCfi{"CFI", 23, 23, Access::kWriteOnly};
}  // namespace gcmd

namespace rtaddr {
inline constexpr Field kRta{"RTA", 63, 12};
inline constexpr Field kTtm{"TTM", 11, 10};
}  // namespace rtaddr

namespace ccmd {
inline constexpr Field kIcc{"ICC", 63, 63};
inline constexpr Field kCirg{"CIRG", 62, 61};
inline constexpr Field kCaig{"CAIG", 60, 59, Access::kReadOnly};
inline constexpr Field kFm{"FM", 33, 32};
inline constexpr Field kSid{"SID", 31, 16};
inline constexpr Field kDid{"DID", 15, 0};
}  // namespace ccmd

namespace fsts {
inline constexpr Field kPfo{"PFO", 0, 0, Access::kWriteOneClear, true};
inline constexpr Field kPpf{"PPF", 1, 1, Access::kReadOnly, true};
inline constexpr Field kIqe{"IQE", 4, 4, Access::kWriteOneClear, true};
inline constexpr Field kIce{"ICE", 5, 5, Access::kWriteOneClear, true};
inline constexpr Field kIte{"ITE", 6, 6, Access::kWriteOneClear, true};
inline constexpr Field kFri{"FRI", 15, 8, Access::kReadOnly, true};
}  // namespace fsts

namespace event_control {  // FECTL, IECTL
inline constexpr Field kIm{"IM", 31, 31};
inline constexpr Field kIp{"IP", 30, 30, Access::kReadOnly};
}  // namespace event_control

namespace pmen {
inline constexpr Field kEpm{"EPM", 31, 31};
inline constexpr Field kPrs{"PRS", 0, 0, Access::kReadOnly};
}  // namespace pmen

namespace queue {
inline constexpr Field kHead{"QH", 18, 4, Access::kReadOnly};
inline constexpr Field kTail{"QT", 18, 4};
inline constexpr Field kBase{"IQA", 63, 12};
inline constexpr Field kWidth{"DW", 11, 11};
inline constexpr Field kSize{"QS", 2, 0};
inline constexpr Field kIwc{"IWC", 0, 0, Access::kWriteOneClear};
inline constexpr Field kErrorInfo{"IQEI", 3, 0, Access::kReadOnly, true};
inline constexpr Field kTimedOutSource{"ITESID", 47, 32, Access::kReadOnly, true};
inline constexpr Field kCompletionSource{"ICESID", 63, 48, Access::kReadOnly, true};
}  // namespace queue

namespace page_request {
inline constexpr Field kHead{"PQH", 18, 5};
inline constexpr Field kTail{"PQT", 18, 5};
inline constexpr Field kBase{"PQA", 63, 12};
inline constexpr Field kSize{"PQS", 2, 0};
inline constexpr Field kPpr{"PPR", 0, 0, Access::kWriteOneClear};
inline constexpr Field kPro{"PRO", 1, 1, Access::kWriteOneClear};
}  // namespace page_request

namespace irta {
inline constexpr Field kBase{"IRTA", 63, 12};
inline constexpr Field kEime{"EIME", 11, 11};
inline constexpr Field kSize{"S", 3, 0};
}  // namespace irta

namespace iotlb {
inline constexpr Field kIvaAddress{"ADDR", 63, 12, Access::kWriteOnly};
inline constexpr Field kIvaHint{"IH", 6, 6, Access::kWriteOnly};
inline constexpr Field kIvaMask{"AM", 5, 0, Access::kWriteOnly};
inline constexpr Field kIvt{"IVT", 63, 63};
inline constexpr Field kIirg{"IIRG", 61, 60};
inline constexpr Field kIaig{"IAIG", 58, 57, Access::kReadOnly};
inline constexpr Field kDr{"DR", 49, 49};
inline constexpr Field kDw{"DW", 48, 48};
inline constexpr Field kDid{"DID", 47, 32};
}  // namespace iotlb

namespace frcd {  // bits of the high half count from 64
inline constexpr Field kFi{"FI", 63, 12, Access::kReadOnly, true};
inline constexpr Field kSid{"SID", 15, 0, Access::kReadOnly, true};
inline constexpr Field kT2{"T2", 28, 28, Access::kReadOnly, true};
inline constexpr Field kPriv{"PRIV", 29, 29, Access::kReadOnly, true};
inline constexpr Field kExe{"EXE", 30, 30, Access::kReadOnly, true};
inline constexpr Field kPp{"PP", 31, 31, Access::kReadOnly, true};
inline constexpr Field kFr{"FR", 39, 32, Access::kReadOnly, true};
inline constexpr Field kPv{"PV", 59, 40, Access::kReadOnly, true};
inline constexpr Field kAt{"AT", 61, 60, Access::kReadOnly, true};
inline constexpr Field kT1{"T1", 62, 62, Access::kReadOnly, true};
inline constexpr Field kF{"F", 63, 63, Access::kWriteOneClear, true};
}  // namespace frcd

// The values. Plain storage with the access rules of the rows; what a write sets off is the unit's
// business.
class RegisterFile {
 public:
  explicit RegisterFile(const Profile& profile);

  std::uint64_t get(Reg reg, unsigned index = 0) const { return slot(reg, index).value; }
  std::uint64_t get(Reg reg, const Field& field) const { return iommu_vtd::get(field, get(reg)); }
  bool test(Reg reg, const Field& field) const { return get(reg, field) != 0; }
  // By hardware: any bit.
  void set(Reg reg, std::uint64_t value, unsigned index = 0) { slot(reg, index).value = value; }
  void set(Reg reg, const Field& field, std::uint64_t value) {
    set(reg, with(field, get(reg), value));
  }

  // The register at a byte offset of the block; `shift` is 32 for the upper half of a 64-bit one.
  struct Hit {
    Reg reg;
    unsigned index;  // of the fault record
    unsigned shift;
    unsigned bytes;  // of the whole register
  };
  std::optional<Hit> find(std::uint64_t offset) const;

  // What software reads.
  std::uint64_t read(const Hit& hit) const;
  // Software writes the bits of `lanes`. Returns the bits written, before access rules: what a
  // command register is to act on.
  std::uint64_t write(const Hit& hit, std::uint64_t lanes, std::uint64_t value);

  std::uint64_t block_bytes() const { return block_bytes_; }

 private:
  struct Slot {
    std::uint64_t value = 0;
    std::uint64_t writable = 0;
    std::uint64_t clear_on_one = 0;
    std::uint64_t hidden = 0;  // reads 0
  };
  struct Place {
    std::uint64_t offset;
    unsigned bytes;
    Reg reg;
    unsigned index;
  };

  Slot& slot(Reg reg, unsigned index) { return slots_[static_cast<std::size_t>(reg) + index * 2]; }
  const Slot& slot(Reg reg, unsigned index) const {
    return slots_[static_cast<std::size_t>(reg) + index * 2];
  }

  std::vector<Slot> slots_;    // fault records at the end: low, high, low, high ...
  std::vector<Place> places_;  // sorted by offset
  std::uint64_t block_bytes_ = 0;
};

}  // namespace baton::iommu_vtd
