#include "model/vmm/vmm.h"

#include <algorithm>
#include <utility>

#include "model/linux/uapi/iommufd.h"
#include "model/linux/uapi/liveupdate.h"
#include "model/vmm/vmm_record.h"

namespace baton::vmm {

namespace uapi = linux::uapi;
using linux::Errno;
using linux::Result;

namespace {

// Tokens inside a session; the VM's base is added, so that no two VMs share one: an iommufd's token
// names the owner of its devices' DMA.
constexpr unsigned kMemfdToken = 1;
constexpr unsigned kIommufdToken = 2;
constexpr unsigned kHwptToken = 3;
constexpr unsigned kDeviceToken = 16;

// In which threads empty the eventfds of interrupts that a new owner does not want.
constexpr sim::Duration kDiscardTime = sim::Duration::microseconds(1);

}  // namespace

Vmm::Vmm(Environment& environment, const VmConfig& config, unsigned index)
    : environment_(environment),
      config_(config),
      token_base_((std::uint64_t{index} + 1) << 8),
      process_(environment.kernel().create_process(config.name)),
      calls_(environment.kernel(), process_),
      cpu_(environment.simulation(), process_, config_.name),
      vcpu_(environment.context(), environment.simulation().add_actor(config.name), cpu_,
            [this](std::uint64_t vectors) {
              environment_.publish(
                  GuestTookInterrupts{environment_.generation(), config_.name, vectors});
            }) {
  for (const Sbdf& address : config_.devices) {
    devices_.push_back(std::make_unique<VfioDevice>(environment_, calls_, config_.name, address));
  }
}

std::unexpected<Errno> Vmm::failed(std::string_view step, Errno error) {
  return environment_.failed(config_.name, step, error);
}

// A new guest.

Co<Result<>> Vmm::start() {
  const Result<> created = co_await create();
  if (!created) {
    co_await shut_down();
    co_return created;
  }
  run_guest();
  environment_.publish(GuestStarted{environment_.generation(), config_.name, status_page()});
  co_return Result<>();
}

Co<Result<>> Vmm::create() {
  Result<> done = co_await create_memory();
  if (done) {
    done = co_await map_memory();
  }
  if (done) {
    done = write_boot_info();
  }
  if (done && !devices_.empty()) {
    done = co_await create_address_space();
  }
  if (done && !devices_.empty()) {
    done = co_await assign_devices(true);
  }
  co_return done;
}

// `open`: they are not open yet.
Co<Result<>> Vmm::assign_devices(bool open) {
  for (const auto& device : devices_) {
    Result<> done;
    if (open) {
      done = co_await device->bind_driver();
    }
    if (done && open) {
      done = co_await device->open();
    }
    if (done) {
      done = co_await device->bind_iommufd(iommufd_);
    }
    if (!done) {
      co_return done;
    }
  }
  const Result<> made = co_await make_page_table();
  if (!made) {
    co_return made;
  }
  for (const auto& device : devices_) {
    Result<> done = co_await device->attach(hwpt_id_);
    if (done) {
      done = co_await device->enable();
    }
    if (!done) {
      co_return done;
    }
  }
  Result<> done = co_await devices_.front()->map_bars(cpu_);
  if (done && config_.workload.peer_buffer != 0 && devices_.size() > 1) {
    done = co_await devices_[1]->share_bar(iommufd_, ioas_id_, kPeerBar, kPeerBuffer);
  }
  if (done) {
    done = co_await devices_.front()->connect_interrupts(vcpu_);
  }
  co_return done;
}

Co<Result<>> Vmm::make_page_table() {
  uapi::iommu_hwpt_alloc hwpt;
  hwpt.dev_id = devices_.front()->device_id();
  hwpt.pt_id = ioas_id_;
  const auto allocated =
      co_await calls_.ioctl(iommufd_, uapi::kIommuHwptAlloc, uapi::bytes_of(hwpt));
  if (!allocated) {
    co_return failed("IOMMU_HWPT_ALLOC", allocated.error());
  }
  hwpt_id_ = hwpt.out_hwpt_id;
  co_return Result<>();
}

void Vmm::run_guest() {
  running_ = true;
  environment_.spawn(vcpu_.run());
  vcpu_.resume();
}

PhysAddr Vmm::status_page() {
  const auto page = process_.page_at(memory_ + kGuestStatusAddress.value(), false);
  return page ? page->address : PhysAddr();
}

// Handing over, old kernel.

Co<Result<>> Vmm::preserve_file(int fd, std::uint64_t token, const char* what) {
  uapi::LiveupdatePreserveFd preserve;
  preserve.fd = fd;
  preserve.token = token;
  const auto done =
      co_await calls_.ioctl(session_, uapi::kLiveupdateSessionPreserveFd, uapi::bytes_of(preserve));
  if (!done) {
    co_return failed(what, done.error());
  }
  co_return Result<>();
}

// The page tables are marked, then memory, address space, devices: each needs the one before it.
Co<Result<>> Vmm::preserve(Carried carried) {
  carried_ = carried;
  if (hwpt_id_ != 0 && carried == Carried::kAll) {
    uapi::iommu_hwpt_liveupdate_mark_preserve mark;
    mark.hwpt_id = hwpt_id_;
    mark.hwpt_token = token(kHwptToken);
    const auto marked = co_await calls_.ioctl(iommufd_, uapi::kIommuHwptLiveupdateMarkPreserve,
                                              uapi::bytes_of(mark));
    // There is no unmark; a second mark says that the token is taken, by itself.
    if (!marked && marked.error() != Errno::kAddrInUse) {
      co_return failed("IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE", marked.error());
    }
  }
  Result<> done =
      co_await preserve_file(memfd_, token(kMemfdToken), "LIVEUPDATE_SESSION_PRESERVE_FD memfd");
  if (done && iommufd_ >= 0 && carried == Carried::kAll) {
    done = co_await preserve_file(iommufd_, token(kIommufdToken),
                                  "LIVEUPDATE_SESSION_PRESERVE_FD iommufd");
  }
  for (unsigned i = 0; done && carried != Carried::kMemory && i < devices_.size(); ++i) {
    done = co_await preserve_file(devices_[i]->cdev(), token(kDeviceToken + i),
                                  "LIVEUPDATE_SESSION_PRESERVE_FD vfio");
  }
  co_return done;
}

Co<> Vmm::close_session() {
  if (session_ >= 0) {
    const int session = session_;
    session_ = -1;
    static_cast<void>(co_await calls_.close(session));
  }
}

Co<> Vmm::pause() {
  if (!running_ || vcpu_.paused()) {
    co_return;
  }
  co_await vcpu_.pause();
  environment_.publish(GuestPaused{environment_.generation(), config_.name});
  if (config_.vcpu_exit != sim::Duration()) {
    co_await calls_.sleep(config_.vcpu_exit);
  }
  leave_core();
}

// Its second-level translation is made from this kernel's mapping, and stays what it is.
void Vmm::leave_core() {
  if (config_.core_period == sim::Duration()) {
    return;
  }
  const UserAddr at = cpu_.device_address(kDeviceBar2, 8);
  const auto page = at == UserAddr() ? linux::Result<linux::MappedPage>(linux::fail(Errno::kFault))
                                     : process_.page_at(at, true);
  if (page) {
    environment_.kernel().services().port().leave_core(
        {config_.name, page->address, config_.core_period});
  }
}

void Vmm::take_core() { environment_.kernel().services().port().take_core(config_.name); }

Result<> Vmm::save() {
  VmmRecord record;
  record.memory_bytes = config_.memory;
  record.ioas_id = ioas_id_;
  record.hwpt_id = hwpt_id_;
  record.devices = devices_.size();
  record.carried = carried_;
  record.goes_on = goes_on_ ? 1 : 0;
  for (std::size_t i = 0; i < std::min(devices_.size(), record.places.size()); ++i) {
    const Sbdf address = devices_[i]->address();
    record.places[i] = {address.segment, address.bdf.value()};
  }
  const UserAddr at = memory_ + config_.memory;
  Result<> stored = process_.store(at, std::as_bytes(std::span(&vcpu_.registers(), 1)));
  if (stored) {
    stored = process_.store(at + kVmmRecordOffset, std::as_bytes(std::span(&record, 1)));
  }
  // What arrives between here and the freeze is not lost: the record is kept up to date.
  vcpu_.set_recorder([this] {
    const auto registers = std::as_bytes(std::span(&vcpu_.registers(), 1));
    static_cast<void>(process_.store(memory_ + config_.memory, registers));
  });
  return stored ? stored : failed("save vCPU", stored.error());
}

Co<Result<>> Vmm::release_interrupts() {
  if (!running_ || !config_.releases_interrupts || devices_.empty()) {
    co_return Result<>();
  }
  interrupts_released_ = true;
  co_return co_await devices_.front()->release_interrupts();
}

Co<Result<>> Vmm::resume(linux::ReinjectPolicy reinject) {
  if (!running_ || !vcpu_.paused()) {
    co_return Result<>();
  }
  vcpu_.set_recorder({});
  Result<> done;
  if (std::exchange(interrupts_released_, false)) {
    done = co_await devices_.front()->set_interrupts();
  }
  // As after a gap: with its interrupts off, what the device said is lost.
  if (has_session() && reinject == linux::ReinjectPolicy::kSpurious) {
    inject_spurious();
  }
  take_core();
  co_await enter();
  environment_.publish(GuestResumed{environment_.generation(), config_.name, status_page()});
  vcpu_.resume();
  co_return done;
}

Co<> Vmm::enter() {
  if (config_.vcpu_entry != sim::Duration()) {
    co_await calls_.sleep(config_.vcpu_entry);
  }
}

void Vmm::inject_spurious() {
  if (devices_.empty()) {
    return;
  }
  environment_.publish(InterruptInjected{environment_.generation(), config_.name,
                                         devices_.front()->address(), kCompletionVector,
                                         kCompletionVector, true, false});
  vcpu_.inject(kCompletionVector);
}

// Taking over, new kernel.

Co<Result<>> Vmm::restore(linux::ReinjectPolicy reinject) {
  Result<> done = co_await retrieve();
  if (done && !devices_.empty()) {
    // Policy none: whatever the kernel found of the gap, the guest is not told.
    for (const auto& device : devices_) {
      device->discard_interrupts(reinject == linux::ReinjectPolicy::kNone);
    }
    done = co_await take_over();
  }
  if (!done && memory_ != UserAddr() && goes_on_) {
    done = Result<>();  // the guest finds that its devices do not answer
  }
  if (done && !devices_.empty() && reinject == linux::ReinjectPolicy::kNone &&
      config_.kernel_finds_interrupts) {
    co_await calls_.sleep(kDiscardTime);
  }
  for (const auto& device : devices_) {
    device->discard_interrupts(false);
  }
  if (!done) {
    co_await shut_down();
    co_return done;
  }
  // What the device had to say in between was lost: one interrupt, and the guest looks itself.
  if (reinject == linux::ReinjectPolicy::kSpurious) {
    inject_spurious();
  }
  take_core();
  co_await enter();
  environment_.publish(GuestResumed{environment_.generation(), config_.name, status_page()});
  run_guest();
  co_return Result<>();
}

Co<Result<int>> Vmm::retrieve_file(std::uint64_t token, const char* what) {
  uapi::LiveupdateRetrieveFd retrieve;
  retrieve.token = token;
  const auto done =
      co_await calls_.ioctl(session_, uapi::kLiveupdateSessionRetrieveFd, uapi::bytes_of(retrieve));
  if (!done) {
    co_return failed(what, done.error());
  }
  co_return retrieve.fd;
}

// The memory says what the devices were called. A cdev is found among the devices of vfio-pci, and
// a failed try is remembered: bind before the rest.
Co<Result<>> Vmm::retrieve() {
  const Result<int> memfd =
      co_await retrieve_file(token(kMemfdToken), "LIVEUPDATE_SESSION_RETRIEVE_FD memfd");
  if (!memfd) {
    co_return linux::fail(memfd.error());
  }
  memfd_ = *memfd;
  Result<> done = co_await map_memory();
  if (done) {
    done = load();
  }
  co_return done;
}

// All of them, or those that there are under another address space, or none.
Co<Result<>> Vmm::take_over() {
  if (carried_ == Carried::kMemory) {
    co_return co_await start_over();
  }
  Result<> done = co_await find_devices();
  if (done && carried_ == Carried::kAll) {
    done = co_await retrieve_iommufd();
  }
  const bool translates = done && carried_ == Carried::kAll;
  if (done || goes_on_) {
    done = co_await retrieve_devices();
  }
  if (!done) {
    co_return done;
  }
  if (translates) {
    co_return co_await take_over_devices();
  }
  co_return co_await start_over();
}

// A new address space over the memory that came back; devices that are not open yet are opened.
Co<Result<>> Vmm::start_over() {
  const Result<> done = co_await create_address_space();
  if (!done) {
    co_return done;
  }
  co_return co_await assign_devices(carried_ == Carried::kMemory);
}

Co<Result<>> Vmm::find_devices() {
  for (const auto& device : devices_) {
    Result<> done = co_await device->find_again();
    if (done) {
      done = co_await device->bind_driver();
    }
    if (!done) {
      co_return done;
    }
  }
  co_return Result<>();
}

Co<Result<>> Vmm::retrieve_iommufd() {
  const Result<int> iommufd =
      co_await retrieve_file(token(kIommufdToken), "LIVEUPDATE_SESSION_RETRIEVE_FD iommufd");
  if (!iommufd) {
    co_return linux::fail(iommufd.error());
  }
  iommufd_ = *iommufd;
  co_return Result<>();
}

Co<Result<>> Vmm::retrieve_devices() {
  for (unsigned i = 0; i < devices_.size(); ++i) {
    const Result<int> cdev =
        co_await retrieve_file(token(kDeviceToken + i), "LIVEUPDATE_SESSION_RETRIEVE_FD vfio");
    if (!cdev) {
      co_return linux::fail(cdev.error());
    }
    devices_[i]->adopt(*cdev);
  }
  co_return Result<>();
}

Result<> Vmm::load() {
  VcpuRegisters registers;
  VmmRecord record;
  const UserAddr at = memory_ + config_.memory;
  Result<> loaded = process_.load(at, std::as_writable_bytes(std::span(&registers, 1)));
  if (loaded) {
    loaded = process_.load(at + kVmmRecordOffset, std::as_writable_bytes(std::span(&record, 1)));
  }
  if (loaded && (!registers.valid() || !record.valid() || record.memory_bytes != config_.memory ||
                 record.devices != devices_.size())) {
    loaded = linux::fail(Errno::kInval);
  }
  if (!loaded) {
    return failed("load vCPU", loaded.error());
  }
  vcpu_.registers() = registers;
  ioas_id_ = record.ioas_id;
  hwpt_id_ = record.hwpt_id;
  carried_ = record.carried;
  goes_on_ = record.goes_on != 0;
  for (std::size_t i = 0; i < std::min(devices_.size(), record.places.size()); ++i) {
    const VmmRecord::Place place = record.places[i];
    devices_[i]->set_address({place.segment, Bdf(static_cast<std::uint16_t>(place.bdf))});
  }
  return {};
}

// The one that the guest drives.
Co<Result<>> Vmm::connect_first_device() {
  Result<> done = co_await devices_.front()->map_bars(cpu_);
  if (done) {
    done = co_await devices_.front()->connect_interrupts(vcpu_);
  }
  co_return done;
}

// The retrieved iommufd has the objects of its predecessor under their old numbers.
Co<Result<>> Vmm::take_over_devices() {
  for (const auto& device : devices_) {
    Result<> done = co_await device->bind_iommufd(iommufd_);
    if (done) {
      done = co_await device->attach(hwpt_id_);
    }
    if (!done) {
      co_return done;
    }
  }
  co_return co_await connect_first_device();
}

Co<bool> Vmm::has_dead_devices() {
  for (const auto& device : devices_) {
    if (!running_ || !has_session()) {
      break;
    }
    const bool dead = co_await device->is_dead();
    if (dead) {
      co_return true;
    }
  }
  co_return false;
}

// Address space and page tables are as they were. A BAR that was shared with a peer stays mapped.
Co<Result<>> Vmm::assign_again() {
  interrupts_released_ = false;
  for (const auto& device : devices_) {
    co_await device->give_up();
    Result<> done = co_await device->open();
    if (done) {
      done = co_await device->bind_iommufd(iommufd_);
    }
    if (done) {
      done = co_await device->attach(hwpt_id_);
    }
    if (done) {
      done = co_await device->enable();
    }
    if (!done) {
      co_return done;
    }
  }
  co_return co_await connect_first_device();
}

Co<Result<>> Vmm::finish() {
  uapi::LiveupdateFinish finish;
  const auto done =
      co_await calls_.ioctl(session_, uapi::kLiveupdateSessionFinish, uapi::bytes_of(finish));
  if (!done) {
    co_return failed("LIVEUPDATE_SESSION_FINISH", done.error());
  }
  co_await close_session();
  co_return Result<>();
}

Co<> Vmm::shut_down() {
  running_ = false;
  co_await vcpu_.stop();
  for (const auto& device : devices_) {
    co_await device->stop();
  }
  session_ = -1;
  co_await process_.exit();
  environment_.publish(GuestStopped{environment_.generation(), config_.name});
}

}  // namespace baton::vmm
