#include "model/iommu_vtd/fault_log.h"

namespace baton::iommu_vtd {

namespace {
// Setting any of these while none is set is an interrupt condition.
constexpr std::uint64_t kConditions = fsts::kPfo.mask() | fsts::kPpf.mask() | fsts::kIqe.mask() |
                                      fsts::kIce.mask() | fsts::kIte.mask();
}  // namespace

std::uint64_t FaultLog::status() const { return core_.regs.get(Reg::kFsts) & kConditions; }

void FaultLog::set_status(const Field& bit) {
  const bool first = status() == 0;
  core_.regs.set(Reg::kFsts, bit, 1);
  if (first) {
    event_.raise();
  }
}

bool FaultLog::occupied(unsigned index) const {
  return get(frcd::kF, core_.regs.get(Reg::kFrcdHigh, index)) != 0;
}

bool FaultLog::has_record_of(Bdf source) const {
  for (unsigned index = 0; index < core_.profile.fault_records(); ++index) {
    const std::uint64_t high = core_.regs.get(Reg::kFrcdHigh, index);
    if (get(frcd::kF, high) != 0 && get(frcd::kSid, high) == source.value()) {
      return true;
    }
  }
  return false;
}

bool FaultLog::record(const FaultRecord& fault) {
  RegisterFile& regs = core_.regs;
  if (regs.test(Reg::kFsts, fsts::kPfo)) {
    return false;
  }
  if (core_.profile.collapse_faults_of_requester && has_record_of(fault.source)) {
    return false;
  }
  if (occupied(next_)) {
    // The overflow bit alone is no interrupt condition: a record, and so PPF, is there already.
    regs.set(Reg::kFsts, fsts::kPfo, 1);
    return false;
  }
  std::uint64_t high = frcd::kF.mask();
  high = with(frcd::kSid, high, fault.source.value());
  high = with(frcd::kFr, high, static_cast<std::uint8_t>(fault.reason));
  // {T1, T2}: 00 write, 01 page request, 10 read.
  high = with(frcd::kT1, high, fault.write || fault.page_request ? 0 : 1);
  high = with(frcd::kT2, high, fault.page_request ? 1 : 0);
  high = with(frcd::kAt, high, static_cast<std::uint8_t>(fault.type));
  if (fault.pasid) {
    high = with(frcd::kPp, high, 1);
    high = with(frcd::kPv, high, fault.pasid->value());
    high = with(frcd::kPriv, high, fault.privileged ? 1 : 0);
    high = with(frcd::kExe, high, fault.execute ? 1 : 0);
  }
  regs.set(Reg::kFrcdLow, fault.info & frcd::kFi.mask(), next_);
  regs.set(Reg::kFrcdHigh, high, next_);
  if (!regs.test(Reg::kFsts, fsts::kPpf)) {
    regs.set(Reg::kFsts, fsts::kFri, next_);
    set_status(fsts::kPpf);
  }
  next_ = (next_ + 1) % core_.profile.fault_records();
  return true;
}

void FaultLog::queue_error(unsigned info) {
  core_.regs.set(Reg::kIqercd, queue::kErrorInfo, info);
  set_status(fsts::kIqe);
}

void FaultLog::invalidation_timed_out(Bdf function) {
  core_.regs.set(Reg::kIqercd, queue::kTimedOutSource, function.value());
  set_status(fsts::kIte);
}

void FaultLog::invalidation_completion_error(Bdf function) {
  core_.regs.set(Reg::kIqercd, queue::kCompletionSource, function.value());
  set_status(fsts::kIce);
}

void FaultLog::refresh() {
  bool pending = false;
  for (unsigned index = 0; index < core_.profile.fault_records(); ++index) {
    pending = pending || occupied(index);
  }
  core_.regs.set(Reg::kFsts, fsts::kPpf, pending ? 1 : 0);
  if (status() == 0) {
    event_.withdraw();
  }
}

}  // namespace baton::iommu_vtd
