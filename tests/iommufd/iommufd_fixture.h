// Kernels with memfd, the VT-d driver and /dev/iommu, on a machine with one function that does DMA.
#pragma once

#include <cstring>

#include "model/host/observations.h"
#include "model/iommu_vtd/observations.h"
#include "model/iommufd/iommufd.h"
#include "model/linux/base/observations.h"
#include "model/linux/intel_iommu/intel_iommu.h"
#include "model/linux/uapi/iommufd.h"
#include "tests/host/probe.h"
#include "tests/luo/luo_fixture.h"

namespace baton::test {

inline constexpr std::uint64_t kMemfdToken = 0x890123;
inline constexpr std::uint64_t kIommufdToken = 0x123456;
inline constexpr std::uint64_t kHwptToken = 0x789012;
inline constexpr std::uint64_t kGuestBytes = std::uint64_t{4} << 20;
inline constexpr std::uint64_t kGuestIova = std::uint64_t{1} << 32;
inline constexpr Sbdf kProbe{0, Bdf(0x6A, 1, 0)};
inline constexpr Sbdf kOther{0, Bdf(0x6A, 2, 0)};

// Stands for VFIO: tests bind and preserve devices through it by hand.
class IommufdKernel : public LuoKernel {
 public:
  IommufdKernel(host::KernelPort& kernel_port, const host::BootHandoff& boot_handoff,
                const linux::KernelConfig& config, WorldState& world_state)
      : LuoKernel(kernel_port, boot_handoff, config, world_state),
        iommu(services, kho, luo),
        intel(services, kho, iommu),
        memfd(services, kho, luo),
        iommufd(services, kho, luo, memfd, iommu) {
    dev.address = kProbe;
    dev.bus = &bus;
    other.address = kOther;
    other.bus = &bus;
    bus.number = 0x6A;
  }

  Co<> bring_up() override {
    kho.memory_init();
    services.pages().release_all(!handoff.cold);
    luo.early_init();
    static_cast<void>(kho.init());
    co_await iommu.begin_boot();
    co_await intel.init();
    static_cast<void>(co_await iommu.probe_device(dev));
    static_cast<void>(co_await iommu.probe_device(other));
    co_await intel.enable_translation();
    co_await luo.late_init();
    memfd.init();
    iommufd.init();
  }

  // reboot(LINUX_REBOOT_CMD_KEXEC) with the IOMMU's shutdown on the way.
  Co<linux::Result<>> kexec_with_shutdown() {
    auto image = kho.load_image(port.generation() + 1, next_command_line());
    BATON_CHECK(image.has_value(), "a test's kexec image does not fit into scratch");
    auto frozen = co_await luo.reboot();
    if (!frozen) {
      co_return frozen;
    }
    co_await intel.shutdown();
    port.request_jump(*image);
    sim::WaitNode node(port.context(), port.context().actor(), "jumping");
    co_await port.context().wait(node);
    co_return linux::Result<>{};
  }

  int open_iommufd() { return *process.install(**iommufd.open_device()); }
  iommufd::Iommufd& iommufd_of(int fd) { return *iommufd.from_file(**process.file(fd)); }

  linux::iommu::IommuCore iommu;
  linux::intel_iommu::IntelIommu intel;
  luo::MemfdSubsystem memfd;
  iommufd::IommufdSubsystem iommufd;
  linux::pci::PciBus bus;
  linux::pci::PciDev dev;
  linux::pci::PciDev other;
};

using IommufdWorld = TwoKernels<IommufdKernel>;
using IommufdBody = Co<> (*)(IommufdKernel&);

inline IommufdWorld::Body body(IommufdBody function) {
  return [function](IommufdKernel& kernel) { return function(kernel); };
}

// 0, or the negative errno; the struct is the caller's, in and out.
template <class T>
Co<int> request(IommufdKernel& kernel, int fd, std::uint32_t command, T& argument) {
  linux::File& file = **kernel.process.file(fd);
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(&argument, 1));
  const auto done = co_await file.ioctl(kernel.process, command, bytes);
  co_return done ? 0 : error(done.error());
}

inline Co<std::uint32_t> alloc_ioas(IommufdKernel& kernel, int fd) {
  uapi::iommu_ioas_alloc cmd;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasAlloc, cmd), 0);
  co_return cmd.out_ioas_id;
}

inline Co<std::uint32_t> alloc_hwpt(IommufdKernel& kernel, int fd, std::uint32_t device,
                                    std::uint32_t ioas) {
  uapi::iommu_hwpt_alloc cmd;
  cmd.dev_id = device;
  cmd.pt_id = ioas;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuHwptAlloc, cmd), 0);
  co_return cmd.out_hwpt_id;
}

inline Co<int> destroy(IommufdKernel& kernel, int fd, std::uint32_t id) {
  uapi::iommu_destroy cmd;
  cmd.id = id;
  co_return co_await request(kernel, fd, uapi::kIommuDestroy, cmd);
}

inline Co<int> mark(IommufdKernel& kernel, int fd, std::uint32_t hwpt, std::uint64_t token) {
  uapi::iommu_hwpt_liveupdate_mark_preserve cmd;
  cmd.hwpt_id = hwpt;
  cmd.hwpt_token = token;
  co_return co_await request(kernel, fd, uapi::kIommuHwptLiveupdateMarkPreserve, cmd);
}

inline uapi::iommu_ioas_map_file map_file_cmd(std::uint32_t ioas, int memfd, std::uint64_t iova) {
  uapi::iommu_ioas_map_file cmd;
  cmd.flags = uapi::kIoasMapFixedIova | uapi::kIoasMapReadable | uapi::kIoasMapWriteable;
  cmd.ioas_id = ioas;
  cmd.fd = memfd;
  cmd.length = kGuestBytes;
  cmd.iova = iova;
  return cmd;
}

inline Co<int> unmap(IommufdKernel& kernel, int fd, std::uint32_t ioas, std::uint64_t iova,
                     std::uint64_t length) {
  uapi::iommu_ioas_unmap cmd;
  cmd.ioas_id = ioas;
  cmd.iova = iova;
  cmd.length = length;
  co_return co_await request(kernel, fd, uapi::kIommuIoasUnmap, cmd);
}

// A memfd of kGuestBytes with these seals.
inline Co<int> make_memfd(IommufdKernel& kernel, std::uint32_t seals = 7) {
  linux::File& file = **kernel.memfd.create("guest");
  const int fd = *kernel.process.install(file);
  AWAIT_OK(file.truncate(kGuestBytes));
  if (seals != 0) {
    CHECK(kernel.memfd.from_file(file)->add_seals(seals).has_value());
  }
  co_return fd;
}

// A guest of the usual kind: memfd mapped at kGuestIova, device attached, HWPT marked.
struct Guest {
  int memfd = -1;
  int iommufd = -1;
  std::uint32_t device = 0;
  std::uint32_t ioas = 0;
  std::uint32_t hwpt = 0;
};

inline Co<Guest> make_guest(IommufdKernel& kernel) {
  Guest guest;
  guest.memfd = co_await make_memfd(kernel);
  guest.iommufd = kernel.open_iommufd();
  iommufd::Iommufd& iommufd = kernel.iommufd_of(guest.iommufd);
  guest.device = iommufd.bind(kernel.dev).value();
  guest.ioas = co_await alloc_ioas(kernel, guest.iommufd);
  auto cmd = map_file_cmd(guest.ioas, guest.memfd, kGuestIova);
  AWAIT_EQUAL(request(kernel, guest.iommufd, uapi::kIommuIoasMapFile, cmd), 0);
  guest.hwpt = co_await alloc_hwpt(kernel, guest.iommufd, guest.device, guest.ioas);
  std::uint32_t pt = guest.hwpt;
  CHECK(iommufd.attach(guest.device, pt).has_value());
  CHECK(pt == guest.hwpt);
  AWAIT_EQUAL(mark(kernel, guest.iommufd, guest.hwpt, kHwptToken), 0);
  co_return guest;
}

// The machine side.
struct IommufdBench {
  static WorldConfig config() {
    WorldConfig result;
    result.build = [](host::Machine& machine) {
      pci::Bus& bus = machine.fabric().add_root_bus(0, 0x6A, 0x6A);
      for (const unsigned device : {1U, 2U}) {
        machine.fabric().add(bus, device, 0,
                             std::make_unique<host::test::Probe>(machine.simulation(), "probe"));
      }
    };
    return result;
  }

  explicit IommufdBench(std::vector<IommufdBody> bodies, WorldConfig world_config = config())
      : world(wrap(bodies), std::move(world_config)) {}

  static std::vector<IommufdWorld::Body> wrap(const std::vector<IommufdBody>& bodies) {
    std::vector<IommufdWorld::Body> wrapped;
    for (const IommufdBody function : bodies) {
      wrapped.push_back(body(function));
    }
    return wrapped;
  }

  // Where a DMA of the probe to this IOVA would end, as the unit walks its tables.
  std::optional<PhysAddr> translate(std::uint64_t iova) {
    const auto walk = world.machine().iommus().front()->inspect(kProbe.bdf, Iova(iova));
    return walk.mapped ? std::optional(walk.address) : std::nullopt;
  }

  IommufdWorld world;
};

}  // namespace baton::test
