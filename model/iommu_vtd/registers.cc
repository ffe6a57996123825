#include "model/iommu_vtd/registers.h"

#include <algorithm>

#include "sim/check.h"
#include "sim/memory.h"

namespace baton::iommu_vtd {

namespace {

constexpr Access kReserved = Access::kReserved;
constexpr Access kReadOnly = Access::kReadOnly;
constexpr Field kRead64{"value", 63, 0, kReadOnly};
constexpr Field kReservedHigh{"", 31, 16, kReserved};

constexpr std::array kVerFields{Field{"", 31, 8, kReserved}, Field{"MAJOR", 7, 4, kReadOnly},
                                Field{"MINOR", 3, 0, kReadOnly}};
constexpr std::array kCapabilityFields{kRead64};
constexpr std::array kGcmdFields{
    gcmd::kTe,  gcmd::kSrtp, gcmd::kSfl,   gcmd::kEafl, gcmd::kWbf,
    gcmd::kQie, gcmd::kIre,  gcmd::kSirtp, gcmd::kCfi,  Field{"", 22, 0, kReserved}};
constexpr std::array kGstsFields{
    Field{"TES", 31, 31, kReadOnly},  Field{"RTPS", 30, 30, kReadOnly},
    Field{"FLS", 29, 29, kReadOnly},  Field{"AFLS", 28, 28, kReadOnly},
    Field{"WBFS", 27, 27, kReadOnly}, Field{"QIES", 26, 26, kReadOnly},
    Field{"IRES", 25, 25, kReadOnly}, Field{"IRTPS", 24, 24, kReadOnly},
    Field{"CFIS", 23, 23, kReadOnly}, Field{"", 22, 0, kReserved}};
constexpr std::array kRtaddrFields{rtaddr::kRta, rtaddr::kTtm, Field{"", 9, 0, kReserved}};
constexpr std::array kCcmdFields{ccmd::kIcc, ccmd::kCirg, ccmd::kCaig, Field{"", 58, 34, kReserved},
                                 ccmd::kFm,  ccmd::kSid,  ccmd::kDid};
constexpr std::array kFstsFields{
    kReservedHigh, fsts::kFri, Field{"PRO", 7, 7, kReserved},     fsts::kIte,
    fsts::kIce,    fsts::kIqe, Field{"APF AFO", 3, 2, kReserved}, fsts::kPpf,
    fsts::kPfo};
constexpr std::array kEventControlFields{event_control::kIm, event_control::kIp,
                                         Field{"", 29, 0, kReserved}};
constexpr std::array kFedataFields{kReservedHigh, Field{"IMD", 15, 0}};
constexpr std::array kIedataFields{Field{"IMD", 31, 0}};
constexpr std::array kEventAddressFields{Field{"MA", 31, 2}, Field{"", 1, 0, kReserved}};
constexpr std::array kEventUpperFields{Field{"MUA", 31, 0}};
constexpr std::array kAflogFields{Field{"FLA", 63, 12}, Field{"FLS", 11, 9},
                                  Field{"", 8, 0, kReserved}};
constexpr std::array kPmenFields{pmen::kEpm, Field{"", 30, 1, kReserved}, pmen::kPrs};
// Granule of protected regions: 1 MiB [register documents of the 12th generation]; AMBIGUOUS for
// servers, which document none.
constexpr std::array kProtectedLowFields{Field{"PLM", 31, 20}, Field{"", 19, 0, kReserved}};
constexpr std::array kProtectedHighFields{Field{"PHM", 63, 20}, Field{"", 19, 0, kReserved}};
constexpr std::array kIqhFields{Field{"", 63, 19, kReserved}, queue::kHead,
                                Field{"", 3, 0, kReserved}};
constexpr std::array kIqtFields{Field{"", 63, 19, kReserved}, queue::kTail,
                                Field{"", 3, 0, kReserved}};
constexpr std::array kIqaFields{queue::kBase, queue::kWidth, Field{"", 10, 3, kReserved},
                                queue::kSize};
constexpr std::array kIcsFields{Field{"", 31, 1, kReserved}, queue::kIwc};
constexpr std::array kIqercdFields{queue::kCompletionSource, queue::kTimedOutSource,
                                   Field{"", 31, 4, kReserved}, queue::kErrorInfo};
constexpr std::array kIrtaFields{irta::kBase, irta::kEime, Field{"", 10, 4, kReserved},
                                 irta::kSize};
constexpr std::array kPqhFields{Field{"", 63, 19, kReserved}, page_request::kHead,
                                Field{"", 4, 0, kReserved}};
constexpr std::array kPqtFields{Field{"", 63, 19, kReserved}, page_request::kTail,
                                Field{"", 4, 0, kReserved}};
constexpr std::array kPqaFields{page_request::kBase, Field{"", 11, 3, kReserved},
                                page_request::kSize};
constexpr std::array kPrsFields{Field{"", 31, 2, kReserved}, page_request::kPro,
                                page_request::kPpr};
constexpr std::array kIvaFields{iotlb::kIvaAddress, Field{"", 11, 7, kReserved}, iotlb::kIvaHint,
                                iotlb::kIvaMask};
constexpr std::array kIotlbFields{
    iotlb::kIvt,  Field{"", 62, 62, kReserved}, iotlb::kIirg, Field{"", 59, 59, kReserved},
    iotlb::kIaig, Field{"", 56, 50, kReserved}, iotlb::kDr,   iotlb::kDw,
    iotlb::kDid,  Field{"", 31, 0, kReserved}};
constexpr std::array kFrcdLowFields{frcd::kFi, Field{"", 11, 0, kReserved}};
constexpr std::array kFrcdHighFields{
    frcd::kF,  frcd::kT1,  frcd::kAt,   frcd::kPv, frcd::kFr,
    frcd::kPp, frcd::kExe, frcd::kPriv, frcd::kT2, Field{"", 27, 16, kReserved},
    frcd::kSid};

constexpr std::uint64_t kMasked = 0x8000'0000;

constexpr std::array kRows{
    Register{Reg::kVer, "VER", 0x000, 4, 0, kVerFields},
    Register{Reg::kCap, "CAP", 0x008, 8, 0, kCapabilityFields},
    Register{Reg::kEcap, "ECAP", 0x010, 8, 0, kCapabilityFields},
    Register{Reg::kGcmd, "GCMD", 0x018, 4, 0, kGcmdFields},
    Register{Reg::kGsts, "GSTS", 0x01C, 4, 0, kGstsFields},
    Register{Reg::kRtaddr, "RTADDR", 0x020, 8, 0, kRtaddrFields},
    Register{Reg::kCcmd, "CCMD", 0x028, 8, 0, kCcmdFields},
    Register{Reg::kFsts, "FSTS", 0x034, 4, 0, kFstsFields},
    Register{Reg::kFectl, "FECTL", 0x038, 4, kMasked, kEventControlFields},
    Register{Reg::kFedata, "FEDATA", 0x03C, 4, 0, kFedataFields},
    Register{Reg::kFeaddr, "FEADDR", 0x040, 4, 0, kEventAddressFields},
    Register{Reg::kFeuaddr, "FEUADDR", 0x044, 4, 0, kEventUpperFields, Base::kBlock, Needs::kEim},
    Register{Reg::kAflog, "AFLOG", 0x058, 8, 0, kAflogFields, Base::kBlock, Needs::kAfl},
    Register{Reg::kPmen, "PMEN", 0x064, 4, 0, kPmenFields, Base::kBlock, Needs::kProtected},
    Register{Reg::kPlmbase, "PLMBASE", 0x068, 4, 0, kProtectedLowFields, Base::kBlock,
             Needs::kProtectedLow},
    Register{Reg::kPlmlimit, "PLMLIMIT", 0x06C, 4, 0, kProtectedLowFields, Base::kBlock,
             Needs::kProtectedLow},
    Register{Reg::kPhmbase, "PHMBASE", 0x070, 8, 0, kProtectedHighFields, Base::kBlock,
             Needs::kProtectedHigh},
    Register{Reg::kPhmlimit, "PHMLIMIT", 0x078, 8, 0, kProtectedHighFields, Base::kBlock,
             Needs::kProtectedHigh},
    Register{Reg::kIqh, "IQH", 0x080, 8, 0, kIqhFields},
    Register{Reg::kIqt, "IQT", 0x088, 8, 0, kIqtFields},
    Register{Reg::kIqa, "IQA", 0x090, 8, 0, kIqaFields},
    Register{Reg::kIcs, "ICS", 0x09C, 4, 0, kIcsFields},
    Register{Reg::kIectl, "IECTL", 0x0A0, 4, kMasked, kEventControlFields},
    Register{Reg::kIedata, "IEDATA", 0x0A4, 4, 0, kIedataFields},
    Register{Reg::kIeaddr, "IEADDR", 0x0A8, 4, 0, kEventAddressFields},
    Register{Reg::kIeuaddr, "IEUADDR", 0x0AC, 4, 0, kEventUpperFields, Base::kBlock, Needs::kEim},
    Register{Reg::kIqercd, "IQERCD", 0x0B0, 8, 0, kIqercdFields},
    Register{Reg::kIrta, "IRTA", 0x0B8, 8, 0, kIrtaFields, Base::kBlock, Needs::kIr},
    Register{Reg::kPqh, "PQH", 0x0C0, 8, 0, kPqhFields, Base::kBlock, Needs::kPageRequests},
    Register{Reg::kPqt, "PQT", 0x0C8, 8, 0, kPqtFields, Base::kBlock, Needs::kPageRequests},
    Register{Reg::kPqa, "PQA", 0x0D0, 8, 0, kPqaFields, Base::kBlock, Needs::kPageRequests},
    Register{Reg::kPrs, "PRS", 0x0DC, 4, 0, kPrsFields, Base::kBlock, Needs::kPageRequests},
    Register{Reg::kPectl, "PECTL", 0x0E0, 4, kMasked, kEventControlFields, Base::kBlock,
             Needs::kPageRequests},
    Register{Reg::kPedata, "PEDATA", 0x0E4, 4, 0, kIedataFields, Base::kBlock,
             Needs::kPageRequests},
    Register{Reg::kPeaddr, "PEADDR", 0x0E8, 4, 0, kEventAddressFields, Base::kBlock,
             Needs::kPageRequests},
    Register{Reg::kPeuaddr, "PEUADDR", 0x0EC, 4, 0, kEventUpperFields, Base::kBlock,
             Needs::kPageRequests},
    Register{Reg::kIva, "IVA", 0, 8, 0, kIvaFields, Base::kIotlbRegisters},
    Register{Reg::kIotlb, "IOTLB", 8, 8, 0, kIotlbFields, Base::kIotlbRegisters},
    Register{Reg::kFrcdLow, "FRCD", 0, 8, 0, kFrcdLowFields, Base::kFaultRecords},
    Register{Reg::kFrcdHigh, "FRCD+8", 8, 8, 0, kFrcdHighFields, Base::kFaultRecords},
};

consteval bool rows_are_complete() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].reg != static_cast<Reg>(i) || !covers(kRows[i].fields, kRows[i].bytes * 8)) {
      return false;
    }
  }
  return kRows.size() == static_cast<std::size_t>(Reg::kCount);
}
static_assert(rows_are_complete(), "a register row is out of order, or its fields do not cover it");

bool present(const Profile& profile, Needs needs) {
  switch (needs) {
    case Needs::kNothing:
      return true;
    case Needs::kAfl:
      return false;
    case Needs::kProtectedLow:
      return profile.protected_low();
    case Needs::kPageRequests:
      return profile.page_requests();
    case Needs::kProtectedHigh:
      return profile.protected_high();
    case Needs::kProtected:
      return profile.protected_low() || profile.protected_high();
    case Needs::kEim:
      return profile.extended_interrupt_mode();
    case Needs::kIr:
      return profile.interrupt_remapping();
  }
  return false;
}

std::uint64_t base_offset(const Profile& profile, Base base) {
  switch (base) {
    case Base::kBlock:
      return 0;
    case Base::kIotlbRegisters:
      return profile.iotlb_offset();
    case Base::kFaultRecords:
      return profile.fault_record_offset();
  }
  return 0;
}

}  // namespace

std::span<const Register> register_rows() { return kRows; }

RegisterFile::RegisterFile(const Profile& profile) {
  const auto add = [&](const Register& row, unsigned index) {
    Slot slot;
    if (present(profile, row.needs)) {
      slot.value = row.reset;
      slot.writable = mask_of(row.fields, Access::kReadWrite);
      slot.clear_on_one = mask_of(row.fields, Access::kWriteOneClear);
      slot.hidden = mask_of(row.fields, Access::kWriteOnly);
    }
    slots_.push_back(slot);
    const std::uint64_t offset = base_offset(profile, row.base) + row.offset + index * 16ULL;
    places_.push_back({offset, row.bytes, row.reg, index});
    block_bytes_ = std::max(block_bytes_, offset + row.bytes);
  };
  for (const Register& row : kRows) {
    add(row, 0);
  }
  for (unsigned index = 1; index < profile.fault_records(); ++index) {
    add(kRows[static_cast<std::size_t>(Reg::kFrcdLow)], index);
    add(kRows[static_cast<std::size_t>(Reg::kFrcdHigh)], index);
  }
  std::ranges::sort(places_, {}, &Place::offset);
  for (std::size_t i = 1; i < places_.size(); ++i) {
    BATON_CHECK(places_[i - 1].offset + places_[i - 1].bytes <= places_[i].offset,
                "the profile makes two registers overlap");
  }
  block_bytes_ = (block_bytes_ + sim::kPageSize - 1) / sim::kPageSize * sim::kPageSize;
  set(Reg::kVer, profile.version);
  set(Reg::kCap, profile.cap);
  set(Reg::kEcap, profile.ecap);
}

std::optional<RegisterFile::Hit> RegisterFile::find(std::uint64_t offset) const {
  const auto after = std::ranges::upper_bound(places_, offset, {}, &Place::offset);
  if (after == places_.begin()) {
    return std::nullopt;
  }
  const Place& place = *std::prev(after);
  if (offset >= place.offset + place.bytes) {
    return std::nullopt;
  }
  return Hit{place.reg, place.index, offset == place.offset ? 0U : 32U, place.bytes};
}

std::uint64_t RegisterFile::read(const Hit& hit) const {
  const Slot& from = slot(hit.reg, hit.index);
  return (from.value & ~from.hidden) >> hit.shift;
}

std::uint64_t RegisterFile::write(const Hit& hit, std::uint64_t lanes, std::uint64_t value) {
  Slot& to = slot(hit.reg, hit.index);
  const std::uint64_t written = value & lanes;
  to.value = (to.value & ~(to.writable & lanes)) | (written & to.writable);
  to.value &= ~(written & to.clear_on_one);
  // Write-only bits are kept, hidden from reads, for registers that are operands of a command.
  to.value = (to.value & ~(to.hidden & lanes)) | (written & to.hidden);
  return written;
}

}  // namespace baton::iommu_vtd
