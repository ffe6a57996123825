// Live update [vfio/pci v5, drivers/vfio/pci/vfio_pci_liveupdate.c].
//
// Generation "v5", as posted: the record is the identity of a function. Freeze demands that its
// interrupts are down and that it is in D0, resets it, and leaves a descriptor that answers EIO for
// good: there is no unfreeze. The next kernel opens it from nothing.
//
// Generation "running" (design target; no such series exists): record, handler name, checks and
// retrieval are the same; the differences are those that let the device run:
//  - freeze resets nothing and leaves COMMAND alone. Policy require-disabled: EINVAL while
//    interrupts are configured; all others: interrupts_gap.cc. Mappings are zapped and the
//    descriptor answers EIO, so that nobody touches the device behind the next kernel's back;
//    unfreeze undoes all three.
//  - a device may be in D3hot: it stays there, and what it will have forgotten crosses with it.
//  - a function that is known to be gone from its bus is not handed over, ENODEV at preserve and at
//    freeze; nor is one whose MSI-X control reads as all ones when its interrupts are held back.
//    AMBIGUOUS: the posted series does not look; its freeze does not see a failed reset either.
//  - the owner's state crosses in FLB baton-vfio-v1, and the first BIND after a retrieve takes it
//    over: no bus master clear, no reset, no fresh vconfig.
#include <cstring>

#include "model/vfio/device.h"

namespace baton::vfio {

namespace {

using linux::Errno;

// struct vfio_pci_core_device_ser, packed, 6 bytes: u32 domain, u16 bdf.
constexpr std::uint64_t kRecordBytes = 6;
constexpr std::uint64_t kRecordBdf = 4;

CdevFile* cdev_file_of(linux::File* file) { return dynamic_cast<CdevFile*>(file); }

linux::Result<> check_there(const Device& device) {
  const VfioPci::State& vfio = device.vfio;
  return vfio.runs() && refuses_gone(vfio.services, device.dev) ? linux::fail(Errno::kNoDev)
                                                                : linux::Result<>();
}

}  // namespace

Co<linux::Result<std::optional<DeviceState>>> VfioPci::State::inherited_state(
    const Device& device) {
  using Found = std::optional<DeviceState>;
  const auto got = co_await luo.get_incoming(states);
  if (!got) {
    // The previous kernel had no such FLB: its device stopped, and is opened from nothing.
    if (got.error() == Errno::kNoEnt || got.error() == Errno::kNoData) {
      co_return Found();
    }
    co_return linux::fail(got.error());
  }
  Found state;
  if (device.dev.recorded_as()) {
    state = states.find(*device.dev.recorded_as());
  }
  co_await luo.put_incoming(states);
  if (!state) {
    co_return linux::fail(Errno::kInval);
  }
  co_return state;
}

std::string_view VfioPci::compatible() const { return "vfio-pci-v1"; }

// A cdev of this driver, bound to an iommufd, of a function that is no VF [posted vfio v5; policy
// sriov: adopt has no such rule].
bool VfioPci::can_preserve(linux::File& file) {
  const CdevFile* cdev = cdev_file_of(&file);
  const bool adopts = state_->services.config().policies.sriov == linux::SriovPolicy::kAdopt;
  const bool group_too = state_->services.has(linux::Defect::kVfioPreserveGroupFile);
  if (cdev == nullptr) return false;
  const bool taken =
      cdev->state().check(FileEvent::kPreserve).has_value() || (cdev->is_of_group() && group_too);
  return taken && (!cdev->device.dev.is_virtual() || adopts);
}

Co<linux::Result<>> VfioPci::preserve(luo::FileArgs& args) {
  State& state = *state_;
  Device& device = cdev_file_of(args.file)->device;
  const auto guard = co_await device.lock.lock(state.services.port().context());
  if (const auto may = device.stage.check(DeviceEvent::kPreserve); !may) {
    co_return may;
  }
  if (const auto there = check_there(device); !there) {
    co_return there;
  }
  if (const auto known = state.pci_live_update.preserve(device.dev); !known) {
    co_return known;
  }
  // Without the IOMMU series, or without an attachment, there is no translation to hand over.
  const bool attached = device.iommufd != nullptr &&
                        device.iommufd->attached_hwpt(device.iommufd_device).has_value() &&
                        state.services.config().pieces.iommu != linux::IommuLiveUpdate::kNone;
  linux::Result<> done;
  if (attached) {
    done = device.iommufd->preserve_device(*args.session, device.iommufd_device);
  }
  if (!done) {
    state.pci_live_update.unpreserve(device.dev);
    co_return done;
  }
  const auto record = state.kho.alloc_preserve(kRecordBytes, "vfio-pci record");
  done = record ? linux::Result<>() : linux::fail(record.error());
  if (done && state.runs()) done = state.states.put(device.state());
  if (!done) {
    if (record) {
      state.kho.unpreserve_free(*record);
    }
    if (attached) {
      device.iommufd->unpreserve_device(device.iommufd_device);
    }
    state.pci_live_update.unpreserve(device.dev);
    co_return done;
  }
  if (state.services.has(linux::Defect::kVfioSkipRecord)) state.kho.unpreserve_folio(*record, 0);
  state.services.port().ram().store(*record, device.dev.address.segment);
  state.services.port().ram().store(*record + kRecordBdf, device.dev.address.bdf.value());
  device.stage.commit(DeviceEvent::kPreserve);
  device.preserved_iommu = attached;
  device.preserved_vectors = device.interrupts.enabled();
  args.serialized_data = record->value();
  co_return linux::Result<>();
}

Co<> VfioPci::unpreserve(luo::FileArgs& args) {
  State& state = *state_;
  Device& device = cdev_file_of(args.file)->device;
  const auto guard = co_await device.lock.lock(state.services.port().context());
  if (state.runs()) state.states.drop(device.dev.address);
  device.stage.commit(DeviceEvent::kUnpreserve);
  state.kho.unpreserve_free(PhysAddr(args.serialized_data));
  if (device.preserved_iommu) {
    device.iommufd->unpreserve_device(device.iommufd_device);
    device.preserved_iommu = false;
  }
  state.pci_live_update.unpreserve(device.dev);
}

Co<linux::Result<>> VfioPci::freeze(luo::FileArgs& args) {
  State& state = *state_;
  Device& device = cdev_file_of(args.file)->device;
  const auto guard = co_await device.lock.lock(state.services.port().context());
  const bool v5 = state.services.config().pieces.vfio == linux::VfioLiveUpdate::kV5;
  if (v5 && device.dev.pm_cap != 0 && device.dev.current_state != linux::pci::PowerState::kD0) {
    state.services.print(sim::LogLevel::kError, "vfio-pci {}: not in D0, cannot be handed over",
                         to_string(device.dev.address));
    co_return linux::fail(Errno::kInval);
  }
  // The rule of the posted series: what they raise in the gap would be lost, so their owner says
  // that it knows [vfio/pci v5, freeze, step 1].
  const bool demanded = !state.runs() || state.services.config().policies.interrupts ==
                                             linux::InterruptPolicy::kRequireDisabled;
  if (demanded && device.interrupts.enabled() > 0 &&
      !state.services.has(linux::Defect::kVfioIgnoreInterrupts)) {
    state.services.print(sim::LogLevel::kError, "vfio-pci {}: interrupts are configured",
                         to_string(device.dev.address));
    co_return linux::fail(Errno::kInval);
  }
  if (!state.runs()) {
    co_await device.freeze_by_reset();
    co_return linux::Result<>();
  }
  if (const auto there = check_there(device); !there) {
    co_return there;
  }
  // What the owner changed since it was preserved.
  if (!state.services.has(linux::Defect::kVfioStaleState)) {
    if (const auto written = state.states.put(device.state()); !written) {
      co_return written;
    }
  }
  if (const auto sleeping = device.sleeping_state()) {
    if (const auto written = state.states.put(*sleeping); !written) {
      co_return written;
    }
  }
  if (const auto held_back = device.interrupts.freeze(); !held_back) {
    co_return held_back;
  }
  device.stage.commit(DeviceEvent::kFreeze);
  co_return linux::Result<>();
}

// Generation v5 has none: the descriptor is good for nothing but to be closed.
Co<> VfioPci::unfreeze(luo::FileArgs& args) {
  const bool dead =
      state_->services.config().policies.cancel_after_freeze == linux::CancelAfterFreeze::kFdDead;
  if (!state_->runs() || dead) co_return;
  Device& device = cdev_file_of(args.file)->device;
  const auto guard = co_await device.lock.lock(state_->services.port().context());
  device.stage.commit(DeviceEvent::kUnfreeze);
  device.interrupts.unfreeze();
}

Co<linux::Result<linux::File*>> VfioPci::retrieve(luo::FileArgs& args) {
  State& state = *state_;
  sim::PhysicalMemory& ram = state.services.port().ram();
  const PhysAddr record(args.serialized_data);
  if (record.page_offset() != 0 || !ram.contains(record, sim::kPageSize)) {
    co_return linux::fail(Errno::kInval);
  }
  const auto segment = ram.load<std::uint32_t>(record);
  const Bdf bdf(ram.load<std::uint16_t>(record + kRecordBdf));
  Device* device = state.find_recorded({segment, bdf});
  if (state.services.has(linux::Defect::kVfioRetrieveFirst) && !state.devices.empty()) {
    device = state.devices.front().get();
  }
  if (device == nullptr) {
    co_return linux::fail(Errno::kNoDev);  // not enumerated, or not bound to this driver
  }
  co_return &state.services.files().add(std::make_unique<CdevFile>(*device, true));
}

Co<bool> VfioPci::can_finish(luo::FileArgs& args) {
  const CdevFile* cdev = cdev_file_of(args.file);
  co_return args.retrieve_status == 1 && cdev != nullptr &&
      cdev->state().check(FileEvent::kFinish).has_value();
}

Co<> VfioPci::finish(luo::FileArgs& args) {
  State& state = *state_;
  state.pci_live_update.finish_device(cdev_file_of(args.file)->device.dev);
  if (state.services.has(linux::Defect::kVfioLeakRecord)) co_return;
  state.kho.restore_free(PhysAddr(args.serialized_data));
  co_return;
}

}  // namespace baton::vfio
