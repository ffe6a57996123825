// A driver whose files hand their functions over in a session, for tests of the PCI core alone.
#pragma once

#include "tests/linux/pci/pci_fixture.h"

namespace baton::test {

// Stands for a device file of a driver that hands its function over.
class DeviceFile final : public linux::File {
 public:
  explicit DeviceFile(PciDev& device) : dev(device) {}
  std::string name() const override { return to_string(dev.address); }
  PciDev& dev;
};

class DeviceHandler final : public luo::FileHandler {
 public:
  DeviceHandler(LuoKernel& kernel, Pci& pci) : kernel_(kernel), pci_(pci) {}
  std::string_view compatible() const override { return "test-device-v1"; }
  bool can_preserve(linux::File& file) override {
    return dynamic_cast<DeviceFile*>(&file) != nullptr;
  }
  Co<linux::Result<>> preserve(luo::FileArgs& args) override {
    PciDev& dev = static_cast<DeviceFile*>(args.file)->dev;
    const auto preserved = pci_.live.preserve(dev);
    args.serialized_data = dev.address.bdf.value();
    co_return preserved;
  }
  Co<> unpreserve(luo::FileArgs& args) override {
    pci_.live.unpreserve(static_cast<DeviceFile*>(args.file)->dev);
    co_return;
  }
  Co<linux::Result<linux::File*>> retrieve(luo::FileArgs& args) override {
    PciDev& dev = pci_.at(Sbdf{0, Bdf(static_cast<std::uint16_t>(args.serialized_data))});
    co_return &kernel_.services.files().add(std::make_unique<DeviceFile>(dev));
  }
  Co<> finish(luo::FileArgs& args) override {
    if (forgets) co_return;
    pci_.live.finish_device(static_cast<DeviceFile*>(args.file)->dev);
  }
  bool forgets = false;

 private:
  LuoKernel& kernel_;
  Pci& pci_;
};

template <class T>
Co<linux::Result<std::int64_t>> call(LuoKernel& kernel, int fd, std::uint32_t command,
                                     T& argument) {
  const auto file = kernel.process.file(fd);
  if (!file) co_return linux::fail(file.error());
  co_return co_await (*file)->ioctl(kernel.process, command, linux::uapi::bytes_of(argument));
}

inline Co<int> open_session(LuoKernel& kernel, bool retrieve) {
  const auto device = co_await kernel.luo.open_device();
  BATON_CHECK(device.has_value(), "/dev/liveupdate");
  const int fd = *kernel.process.install(**device);
  if (retrieve) {
    linux::uapi::LiveupdateRetrieveSession request;
    request.name = linux::uapi::session_name("devices");
    const auto done =
        co_await call(kernel, fd, linux::uapi::kLiveupdateIoctlRetrieveSession, request);
    BATON_CHECK(done.has_value(), "retrieve session");
    co_return request.fd;
  }
  linux::uapi::LiveupdateCreateSession request;
  request.name = linux::uapi::session_name("devices");
  const auto done = co_await call(kernel, fd, linux::uapi::kLiveupdateIoctlCreateSession, request);
  BATON_CHECK(done.has_value(), "create session");
  co_return request.fd;
}

// 0 or the errno.
inline Co<int> preserve(LuoKernel& kernel, int session, PciDev& dev, std::uint64_t token) {
  linux::uapi::LiveupdatePreserveFd request;
  request.fd =
      *kernel.process.install(kernel.services.files().add(std::make_unique<DeviceFile>(dev)));
  request.token = token;
  const auto done =
      co_await call(kernel, session, linux::uapi::kLiveupdateSessionPreserveFd, request);
  co_return done ? 0 : static_cast<int>(done.error());
}

// kernel_kexec: LUO first, then every device, then the jump.
inline Co<> kexec(LuoKernel& kernel, Pci& pci) {
  const auto image =
      kernel.kho.load_image(kernel.port.generation() + 1, kernel.next_command_line());
  BATON_CHECK(image.has_value(), "image");
  const auto frozen = co_await kernel.luo.reboot();
  BATON_CHECK(frozen.has_value(), "liveupdate_reboot");
  co_await pci.core.shutdown();
  kernel.port.request_jump(*image);
  sim::WaitNode node(kernel.port.context(), kernel.port.context().actor(), "jumping");
  co_await kernel.port.context().wait(node);
}

}  // namespace baton::test
