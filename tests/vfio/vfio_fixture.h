// Kernels from KHO up to vfio-pci on a machine with one DSA on its own root bus 6a, and a process
// that owns the device the way a VMM does.
#pragma once

#include "model/devices/dsa/dsa.h"
#include "model/linux/base/eventfd.h"
#include "model/linux/intel_iommu/intel_iommu.h"
#include "model/linux/pci/bus_type.h"
#include "model/linux/uapi/iommufd.h"
#include "model/linux/uapi/vfio.h"
#include "model/pci/observations.h"
#include "model/vfio/vfio_pci.h"
#include "tests/luo/luo_fixture.h"

namespace baton::test {

inline const Sbdf kDsa{0, Bdf(0x6A, 1, 0)};
constexpr std::uint64_t kGuestBytes = 64 * 4096;
constexpr std::uint64_t kMemfdToken = 11;
constexpr std::uint64_t kIommufdToken = 12;
constexpr std::uint64_t kCdevToken = 13;

struct VfioKernel : LuoKernel {
  using LuoKernel::LuoKernel;

  Co<> bring_up() override {
    kho.memory_init();
    services.pages().release_all(!handoff.cold);
    irq.init();
    luo.early_init();
    co_await init_interrupt_remapping();
    pci.set_live_update(&pci_live_update);
    co_await pci_live_update.begin_enumeration();
    co_await pci.enumerate();
    static_cast<void>(kho.init());
    co_await iommu.begin_boot();
    co_await intel.init();
    for (linux::pci::PciDev* dev : pci.devices()) {
      static_cast<void>(co_await iommu.probe_device(*dev));
    }
    co_await intel.enable_translation();
    co_await luo.late_init();
    memfd.init();
    iommufd.init();
    vfio.init();
    vfio_ready();
    static_cast<void>(co_await bus.register_driver(vfio));
  }
  // Of kernels with more than these: once LUO knows what was handed over; and before the driver's
  // functions are found.
  virtual Co<> init_interrupt_remapping() { co_return; }
  virtual void vfio_ready() {}

  linux::pci::PciDev& dsa() { return *pci.find(kDsa); }

  // driver_override and bind.
  Co<linux::Result<>> bind_driver() {
    static_cast<void>(bus.set_driver_override(dsa(), "vfio-pci"));
    co_return co_await bus.bind(vfio, dsa());
  }

  // reboot(LINUX_REBOOT_CMD_KEXEC) in full; returns only an error.
  Co<linux::Result<>> reboot_kexec() {
    auto frozen = co_await luo.reboot();
    if (!frozen) co_return frozen;
    co_await pci.shutdown();
    co_await intel.shutdown();
    co_await jump();
    co_return linux::Result<>();
  }

  linux::pci::PciCore pci{services};
  linux::pci::PciLiveUpdate pci_live_update{services, kho, luo, pci};
  linux::irq::IrqCore irq{services};
  linux::iommu::IommuCore iommu{services, kho, luo};
  linux::intel_iommu::IntelIommu intel{services, kho, iommu};
  linux::pci::PciBusType bus{services, pci};
  luo::MemfdSubsystem memfd{services, kho, luo};
  iommufd::IommufdSubsystem iommufd{services, kho, luo, memfd, iommu};
  vfio::VfioPci vfio{services, kho, luo, pci, pci_live_update, irq, iommufd};
};

// What the test remembers over the generations, and what it sees of the hardware.
struct VfioNotes {
  host::Machine* machine = nullptr;
  std::vector<std::string> writes;  // configuration writes to the DSA, while watching
  bool watching = false;
  unsigned resets = 0;
  std::uint32_t hwpt = 0;
  PhysAddr page;  // behind IOVA 0

  pci::Function& dsa() const { return *machine->fabric().find("dsa0"); }
  std::uint32_t config(std::uint16_t offset, unsigned width) const {
    return machine->fabric().config_read(kDsa, offset, width);
  }
};

using VfioBody = Co<> (*)(VfioKernel&, VfioNotes&);

class VfioWorld {
 public:
  explicit VfioWorld(std::vector<VfioBody> bodies, std::optional<linux::Defect> defect = {},
                     bool disable_denylist = true, const linux::Pieces& pieces = {},
                     const linux::Policies& policies = {})
      : world_(wrap(bodies), config(defect, disable_denylist, pieces, policies)) {
    notes.machine = &world_.machine();
    world_.simulation().topic<pci::ConfigWritten>().subscribe([this](const auto& write) {
      if (notes.watching && write.address == kDsa) {
        notes.writes.push_back(fmt::format("{:#x}/{} {:#x} -> {:#x}", write.offset, write.width,
                                           write.old_value, write.new_value));
      }
    });
    world_.simulation().topic<pci::FunctionReset>().subscribe(
        [this](const auto& reset) { notes.resets += reset.function.name() == "dsa0" ? 1 : 0; });
  }

  void run() {
    world_.run();
    CAPTURE(world_.panic());
    CHECK(world_.panic().empty());
  }
  bool completed(unsigned generation) const { return world_.completed(generation); }

  VfioNotes notes;

 private:
  std::vector<TwoKernels<VfioKernel>::Body> wrap(const std::vector<VfioBody>& bodies) {
    std::vector<TwoKernels<VfioKernel>::Body> wrapped;
    for (const VfioBody body : bodies) {
      wrapped.push_back([this, body](VfioKernel& kernel) { return body(kernel, notes); });
    }
    return wrapped;
  }
  static WorldConfig config(std::optional<linux::Defect> defect, bool disable_denylist,
                            const linux::Pieces& pieces, const linux::Policies& policies) {
    WorldConfig config;
    config.kernels[0].pieces = pieces;
    config.kernels[0].policies = policies;
    config.kernels[0].vfio_disable_denylist = disable_denylist;
    if (defect) config.kernels[0].defects.add(*defect);
    config.build = [](host::Machine& machine) {
      pci::Bus& root = machine.fabric().add_root_bus(0, 0x6A, 0x6A);
      machine.fabric().add(root, 1, 0,
                           devices::dsa::make_dsa(machine.simulation(), devices::dsa::DsaConfig{}));
    };
    return config;
  }

  TwoKernels<VfioKernel> world_;
};

// The descriptors and ids of a process that owns the device.
struct Owner {
  int memfd = -1;
  int iommufd = -1;
  int cdev = -1;
  std::uint32_t device = 0;
  std::uint32_t ioas = 0;
  std::uint32_t hwpt = 0;
};

inline int open_cdev(VfioKernel& kernel) {
  const auto file = kernel.vfio.open_cdev(*kernel.vfio.cdev_of(kDsa));
  return file ? *kernel.process.install(**file) : -static_cast<int>(file.error());
}

inline int open_iommufd(VfioKernel& kernel) {
  return *kernel.process.install(**kernel.iommufd.open_device());
}

// 0, or the negative errno.
template <class T>
Co<int> request(VfioKernel& kernel, int fd, std::uint32_t command, T& argument) {
  const auto done = co_await call(kernel, fd, command, argument);
  co_return done ? 0 : -static_cast<int>(done.error());
}

inline Co<int> bind(VfioKernel& kernel, Owner& owner) {
  uapi::VfioDeviceBindIommufd bind;
  bind.iommufd = owner.iommufd;
  const int done = co_await request(kernel, owner.cdev, uapi::kVfioDeviceBindIommufd, bind);
  owner.device = bind.out_devid;
  co_return done;
}

inline Co<int> attach(VfioKernel& kernel, Owner& owner) {
  uapi::VfioDeviceAttachIommufdPt attach;
  attach.pt_id = owner.hwpt;
  co_return co_await request(kernel, owner.cdev, uapi::kVfioDeviceAttachIommufdPt, attach);
}

template <class T>
Co<linux::Result<std::size_t>> read_region(VfioKernel& kernel, int cdev, std::uint32_t region,
                                           std::uint64_t at, T& value) {
  linux::File& file = **kernel.process.file(cdev);
  co_return co_await file.pread(kernel.process, uapi::bytes_of(value),
                                uapi::vfio_region_offset(region) + at);
}
template <class T>
Co<linux::Result<std::size_t>> write_region(VfioKernel& kernel, int cdev, std::uint32_t region,
                                            std::uint64_t at, T value) {
  linux::File& file = **kernel.process.file(cdev);
  co_return co_await file.pwrite(kernel.process, uapi::bytes_of(value),
                                 uapi::vfio_region_offset(region) + at);
}

// Eventfds for all MSI-X vectors.
inline Co<int> connect_interrupts(VfioKernel& kernel, int cdev, std::vector<linux::EventFd*>& fds) {
  constexpr std::uint32_t kVectors = 9;
  uapi::VfioIrqSet set;
  set.argsz = sizeof(set) + kVectors * 4;
  set.flags = uapi::kVfioIrqSetDataEventfd | uapi::kVfioIrqSetActionTrigger;
  set.index = uapi::kVfioPciMsixIrqIndex;
  set.count = kVectors;
  std::vector<std::byte> argument(set.argsz);
  std::memcpy(argument.data(), &set, sizeof(set));
  for (std::uint32_t i = 0; i < kVectors; ++i) {
    auto& eventfd = kernel.services.files().add(std::make_unique<linux::EventFd>(kernel.port));
    const std::int32_t fd = *kernel.process.install(eventfd);
    std::memcpy(argument.data() + sizeof(set) + i * 4, &fd, sizeof(fd));
    fds.push_back(&eventfd);
  }
  linux::File& file = **kernel.process.file(cdev);
  const auto done = co_await file.ioctl(kernel.process, uapi::kVfioDeviceSetIrqs, argument);
  co_return done ? 0 : -static_cast<int>(done.error());
}

// Everything a VMM does before its guest runs.
inline Co<Owner> own_device(VfioKernel& kernel, std::vector<linux::EventFd*>& fds) {
  Owner owner;
  const auto driver = co_await kernel.bind_driver();
  CHECK(driver.has_value());
  luo::Memfd* memory = kernel.memfd.from_file(**kernel.memfd.create("guest"));
  const auto sized = co_await memory->truncate(kGuestBytes);
  CHECK(sized.has_value());
  CHECK(memory->add_seals(luo::kSealSeal | luo::kSealShrink | luo::kSealGrow));
  owner.memfd = *kernel.process.install(*memory);
  owner.iommufd = open_iommufd(kernel);
  owner.cdev = open_cdev(kernel);
  AWAIT_EQUAL(bind(kernel, owner), 0);
  uapi::iommu_ioas_alloc ioas;
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuIoasAlloc, ioas), 0);
  owner.ioas = ioas.out_ioas_id;
  uapi::iommu_ioas_map_file map;
  map.flags = uapi::kIoasMapFixedIova | uapi::kIoasMapReadable | uapi::kIoasMapWriteable;
  map.ioas_id = owner.ioas;
  map.fd = owner.memfd;
  map.length = kGuestBytes;
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuIoasMapFile, map), 0);
  uapi::iommu_hwpt_alloc hwpt;
  hwpt.dev_id = owner.device;
  hwpt.pt_id = owner.ioas;
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuHwptAlloc, hwpt), 0);
  owner.hwpt = hwpt.out_hwpt_id;
  AWAIT_EQUAL(attach(kernel, owner), 0);
  AWAIT_OK(
      write_region(kernel, owner.cdev, uapi::kVfioPciConfigRegionIndex, 4, std::uint16_t{0x0006}));
  AWAIT_EQUAL(connect_interrupts(kernel, owner.cdev, fds), 0);
  co_return owner;
}

// A session with memory, address space and device; returns its descriptor.
inline Co<int> preserve_all(VfioKernel& kernel, Owner& owner) {
  const int device = co_await open_device(kernel);
  const int session = co_await create_session(kernel, device, "vm0");
  uapi::iommu_hwpt_liveupdate_mark_preserve mark;
  mark.hwpt_id = owner.hwpt;
  mark.hwpt_token = 21;
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuHwptLiveupdateMarkPreserve, mark), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, owner.memfd, kMemfdToken), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, owner.iommufd, kIommufdToken), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, owner.cdev, kCdevToken), 0);
  co_return session;
}

}  // namespace baton::test
