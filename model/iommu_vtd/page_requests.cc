#include "model/iommu_vtd/page_requests.h"

#include <array>

namespace baton::iommu_vtd {

namespace {

// A queue entry, 32 bytes [VT-d 7.4.1.1].
namespace entry {
constexpr std::uint64_t kTypePageRequest = 1;
constexpr Field kType{"type", 7, 0};
constexpr Field kPasidPresent{"PP", 8, 8};
constexpr Field kRequester{"RID", 31, 16};
constexpr Field kPasid{"PASID", 51, 32};
constexpr Field kRead{"R", 64, 64};
constexpr Field kWrite{"W", 65, 65};
constexpr Field kLast{"LPIG", 66, 66};
constexpr Field kGroup{"PRGI", 75, 67};
constexpr Field kAddress{"ADDR", 127, 76};
}  // namespace entry

constexpr std::uint64_t kEntryBytes = 32;

}  // namespace

void PageRequests::answer(const pci::PageRequest& request, pci::PageResponseCode code) {
  if (request.last && port_ != nullptr) {
    port_->respond(request.requester, {request.pasid, request.group, code});
  }
}

void PageRequests::refuse(const pci::PageRequest& request) {
  answer(request, pci::PageResponseCode::kFailure);
}

// While an overflow is pending nothing is queued; the last request of a group is answered with
// success, so that the function asks again [VT-d 7.4.1].
void PageRequests::receive(const pci::PageRequest& request) {
  if (core_.regs.test(Reg::kPrs, page_request::kPro)) {
    return answer(request, pci::PageResponseCode::kSuccess);
  }
  if (!write_entry(request)) {
    set_status(page_request::kPro);
    return answer(request, pci::PageResponseCode::kSuccess);
  }
  set_status(page_request::kPpr);
}

bool PageRequests::write_entry(const pci::PageRequest& request) {
  RegisterFile& regs = core_.regs;
  const std::uint64_t size = sim::kPageSize << regs.get(Reg::kPqa, page_request::kSize);
  const std::uint64_t tail = regs.get(Reg::kPqt) & (size - 1);
  const std::uint64_t next = (tail + kEntryBytes) & (size - 1);
  const PhysAddr at(PhysAddr(regs.get(Reg::kPqa) & page_request::kBase.mask()) + tail);
  if (next == regs.get(Reg::kPqh) || !core_.memory.contains(at, kEntryBytes)) {
    return false;
  }
  std::array<std::uint64_t, 4> words{};
  words[0] = with(entry::kType, words[0], entry::kTypePageRequest);
  words[0] = with(entry::kPasidPresent, words[0], request.pasid ? 1 : 0);
  words[0] = with(entry::kRequester, words[0], request.requester.value());
  words[0] = with(entry::kPasid, words[0], request.pasid ? request.pasid->value() : 0);
  words[1] = request.address & entry::kAddress.mask();
  words[1] = with(entry::kRead, words[1], request.read ? 1 : 0);
  words[1] = with(entry::kWrite, words[1], request.write ? 1 : 0);
  words[1] = with(entry::kLast, words[1], request.last ? 1 : 0);
  words[1] = with(entry::kGroup, words[1], request.group);
  core_.memory.store(at, words);
  regs.set(Reg::kPqt, next);
  return true;
}

void PageRequests::set_status(const Field& bit) {
  const bool first = core_.regs.get(Reg::kPrs) == 0;
  core_.regs.set(Reg::kPrs, bit, 1);
  if (first) {
    event_.raise();
  }
}

void PageRequests::status_written() {
  if (core_.regs.get(Reg::kPrs) == 0) {
    event_.withdraw();
  }
}

void PageRequests::respond(Bdf function, const pci::PageResponse& response) {
  if (port_ != nullptr) {
    port_->respond(function, response);
  }
}

}  // namespace baton::iommu_vtd
