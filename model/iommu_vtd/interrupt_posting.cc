#include "model/iommu_vtd/interrupt_posting.h"

namespace baton::iommu_vtd {

namespace {

constexpr Field kXapicNdst{"NDST[15:8]", 47, 40};  // of the control word

PhysAddr descriptor_of(const Entry128& entry) {
  return PhysAddr(entry.get(posted_entry::kPdaHigh) << 32 | entry.get(posted_entry::kPdaLow)
                                                                << posted_entry::kPdaLowShift);
}

// A descriptor in RAM, below the host address width; no other memory takes a locked update.
bool reachable(sim::PhysicalMemory& memory, const Profile& profile, PhysAddr descriptor) {
  return (descriptor.value() & above_host_width(profile)) == 0 &&
         memory.contains(descriptor, posted_descriptor::kBytes);
}

}  // namespace

std::expected<Posting, Reason> post(sim::PhysicalMemory& memory, const Profile& profile,
                                    const Entry128& entry, bool extended) {
  Posting done;
  done.descriptor = descriptor_of(entry);
  done.vector = Vector(static_cast<std::uint8_t>(entry.get(remap_entry::kVector)));
  if (!reachable(memory, profile, done.descriptor)) {
    return std::unexpected(Reason::kPostedDescriptorUnreadable);
  }
  const PhysAddr control_at = done.descriptor + posted_descriptor::kControl;
  auto control = memory.load<std::uint64_t>(control_at);
  constexpr std::uint64_t kReserved = mask_of(posted_descriptor::kFields, Access::kReserved, 0);
  if ((control & kReserved) != 0) {
    return std::unexpected(Reason::kPostedDescriptorReserved);
  }
  const PhysAddr request_at = done.descriptor + done.vector.value() / 64 * 8;
  const std::uint64_t bit = std::uint64_t{1} << done.vector.value() % 64;
  const auto requests = memory.load<std::uint64_t>(request_at);
  done.merged = (requests & bit) != 0;
  memory.store(request_at, requests | bit);
  const bool urgent = entry.test(posted_entry::kUrg);
  const bool outstanding = get(posted_descriptor::kOn, control) != 0;
  const bool suppressed = get(posted_descriptor::kSn, control) != 0;
  done.notifies = !outstanding && (urgent || !suppressed);
  if (done.notifies) {
    control = with(posted_descriptor::kOn, control, 1);
    memory.store(control_at, control);
  }
  done.notification = Vector(static_cast<std::uint8_t>(get(posted_descriptor::kNv, control)));
  done.destination = static_cast<std::uint32_t>(extended ? get(posted_descriptor::kNdst, control)
                                                         : get(kXapicNdst, control));
  return done;
}

}  // namespace baton::iommu_vtd
