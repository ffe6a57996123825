#include "harness/invariants/guest_memory.h"

namespace baton::harness {

// The block lies in one page.
static_assert(vmm::kGuestStatusAddress.page_offset() + sizeof(vmm::GuestStatus) <= sim::kPageSize);

std::optional<vmm::GuestStatus> read_guest_status(host::Machine& machine, PhysAddr address) {
  if (!machine.memory().contains(address, sizeof(vmm::GuestStatus))) return std::nullopt;
  const auto status = machine.memory().load<vmm::GuestStatus>(address);
  if (status.magic != vmm::GuestStatus::kMagic || status.version != vmm::GuestStatus::kVersion) {
    return std::nullopt;
  }
  return status;
}

}  // namespace baton::harness
