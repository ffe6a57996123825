#include "model/linux/drivers/pci_lu_stub.h"

#include <fmt/format.h>

#include <algorithm>

namespace baton::linux::drivers {

namespace {

constexpr std::uint64_t kRecordBytes = 8;
constexpr std::uint64_t kRecordBdf = 4;
constexpr std::uint64_t kRecordVfs = 6;

}  // namespace

struct PciLuStub::Device {
  Device(PciLuStub& stub, pci::PciDev& pci_dev) : driver(stub), dev(pci_dev) {}

  PciLuStub& driver;
  pci::PciDev& dev;
  unsigned open_files = 0;
  sim::WaitQueue closed;
};

class PciLuStub::StubFile final : public File {
 public:
  explicit StubFile(Device& opened) : device(opened) { ++device.open_files; }

  std::string name() const override {
    return fmt::format("/dev/{}/{}", device.driver.name(), to_string(device.dev.address));
  }
  Co<> release() override {
    if (--device.open_files == 0) device.closed.wake_all();
    co_return;
  }

  Device& device;
};

PciLuStub::PciLuStub(KernelServices& services, kho::Kho& kho, luo::Luo& luo,
                     pci::PciLiveUpdate& live_update, pci::PciCore& core, LuStubKind kind)
    : services_(services),
      kho_(kho),
      luo_(luo),
      live_update_(live_update),
      core_(core),
      kind_(kind) {}

PciLuStub::~PciLuStub() = default;

std::string_view PciLuStub::name() const {
  return kind_ == LuStubKind::kFunction ? "pci-lu-stub" : "pci-lu-stub-pf";
}

std::string_view PciLuStub::compatible() const {
  return kind_ == LuStubKind::kFunction ? "pci-lu-stub-v1" : "pci-lu-stub-pf-v1";
}

void PciLuStub::init() {
  if (services_.config().pieces.pci == PciLiveUpdate::kNone) return;
  Result<> done = luo_.register_handler(*this);
  if (done) done = live_update_.register_flbs(*this);
  if (!done && done.error() != Errno::kOpNotSupp) {
    services_.print(sim::LogLevel::kError, "{}: live update not registered ({})", name(),
                    linux::name(done.error()));
  }
}

void PciLuStub::log(const Device& device, std::string_view callback) const {
  services_.print(sim::LogLevel::kInfo, "{} {}: {}", name(), to_string(device.dev.address),
                  callback);
}

PciLuStub::Device* PciLuStub::find(Sbdf address) const {
  const auto found = std::ranges::find_if(
      devices_, [&](const auto& device) { return device->dev.address == address; });
  return found == devices_.end() ? nullptr : found->get();
}

Result<File*> PciLuStub::open(Sbdf address) {
  Device* device = find(address);
  if (device == nullptr) return fail(Errno::kNoEnt);
  const auto may = device->dev.from_previous.check(pci::IncomingEvent::kOpen);
  if (!may) return fail(may.error());
  return &services_.files().add(std::make_unique<StubFile>(*device));
}

Co<Result<>> PciLuStub::probe(pci::PciDev& dev) {
  devices_.push_back(std::make_unique<Device>(*this, dev));
  log(*devices_.back(), dev.incoming() ? "probe, handed over" : "probe");
  co_return Result<>();
}

Co<> PciLuStub::remove(pci::PciDev& dev) {
  Device* device = find(dev.address);
  log(*device, "remove");
  sim::Context& context = services_.port().context();
  while (device->open_files > 0) {
    sim::WaitNode node(context, context.actor(), "pci-lu-stub");
    co_await device->closed.wait(context, node);
  }
  std::erase_if(devices_, [device](const auto& entry) { return entry.get() == device; });
}

// pci_sriov_configure_simple().
Co<Result<>> PciLuStub::sriov_configure(pci::PciDev& dev, unsigned count) {
  if (kind_ == LuStubKind::kFunction) co_return fail(Errno::kNoEnt);
  if (count == 0) {
    co_await core_.disable_sriov(dev);
    co_return Result<>();
  }
  co_return co_await core_.enable_sriov(dev, count);
}

bool PciLuStub::can_preserve(File& file) {
  const auto* opened = dynamic_cast<StubFile*>(&file);
  return opened != nullptr && &opened->device.driver == this;
}

// What is "requested" of a function, or that it is "depended" on.
Result<> PciLuStub::mark(pci::PciDev& dev) {
  if (kind_ == LuStubKind::kFunction) return live_update_.preserve(dev);
  return dev.num_vfs != 0 && dev.outgoing() ? Result<>() : fail(Errno::kInval);
}

Co<Result<>> PciLuStub::preserve(luo::FileArgs& args) {
  Device& device = dynamic_cast<StubFile*>(args.file)->device;
  log(device, "preserve");
  if (const auto known = mark(device.dev); !known) co_return known;
  const auto record = kho_.alloc_preserve(kRecordBytes, "pci-lu-stub record");
  if (!record) {
    if (kind_ == LuStubKind::kFunction) live_update_.unpreserve(device.dev);
    co_return fail(record.error());
  }
  services_.port().ram().store(*record, device.dev.address.segment);
  services_.port().ram().store(*record + kRecordBdf, device.dev.address.bdf.value());
  if (kind_ == LuStubKind::kPhysical) {
    services_.port().ram().store(*record + kRecordVfs, device.dev.num_vfs);
  }
  args.serialized_data = record->value();
  co_return Result<>();
}

Co<> PciLuStub::unpreserve(luo::FileArgs& args) {
  Device& device = dynamic_cast<StubFile*>(args.file)->device;
  log(device, "unpreserve");
  kho_.unpreserve_free(PhysAddr(args.serialized_data));
  if (kind_ == LuStubKind::kFunction) live_update_.unpreserve(device.dev);
  co_return;
}

Co<Result<>> PciLuStub::freeze(luo::FileArgs& args) {
  const Device& device = dynamic_cast<StubFile*>(args.file)->device;
  log(device, "freeze");
  co_return device.dev.outgoing() ? Result<>() : fail(Errno::kInval);
}

Co<> PciLuStub::unfreeze(luo::FileArgs& args) {
  log(dynamic_cast<StubFile*>(args.file)->device, "unfreeze");
  co_return;
}

Co<Result<>> PciLuStub::give_back(pci::PciDev& dev, unsigned virtual_functions) {
  const auto guard = co_await dev.lock.lock(services_.port().context());
  if (find(dev.address) == nullptr) co_return fail(Errno::kNoDev);  // unbound meanwhile
  if (!dev.was_incoming()) co_return fail(Errno::kInval);
  Result<> done;
  if (dev.num_vfs == 0) done = co_await core_.enable_sriov(dev, virtual_functions);
  if (done && dev.num_vfs != virtual_functions) done = fail(Errno::kAgain);
  co_return done;
}

// ENODEV: the device is not there, or not bound to this driver.
Co<Result<File*>> PciLuStub::retrieve(luo::FileArgs& args) {
  sim::PhysicalMemory& ram = services_.port().ram();
  const PhysAddr record(args.serialized_data);
  if (record.page_offset() != 0 || !ram.contains(record, sim::kPageSize)) {
    co_return fail(Errno::kInval);
  }
  const Sbdf key{ram.load<std::uint32_t>(record),
                 Bdf(ram.load<std::uint16_t>(record + kRecordBdf))};
  const auto found = std::ranges::find_if(
      devices_, [&](const auto& device) { return device->dev.recorded_as() == key; });
  if (found == devices_.end()) co_return fail(Errno::kNoDev);
  pci::PciDev& dev = (*found)->dev;
  log(**found, "retrieve");
  if (kind_ == LuStubKind::kPhysical) {
    const unsigned virtual_functions = ram.load<std::uint16_t>(record + kRecordVfs);
    const auto given = co_await give_back(dev, virtual_functions);
    if (!given) co_return fail(given.error());
  }
  co_return &services_.files().add(std::make_unique<StubFile>(*find(dev.address)));
}

Co<bool> PciLuStub::can_finish(luo::FileArgs& args) { co_return args.retrieve_status == 1; }

Co<> PciLuStub::finish(luo::FileArgs& args) {
  if (args.file != nullptr) {
    Device& device = dynamic_cast<StubFile*>(args.file)->device;
    log(device, "finish");
    if (kind_ == LuStubKind::kFunction) live_update_.finish_device(device.dev);
    kho_.restore_free(PhysAddr(args.serialized_data));
  }
  co_return;
}

}  // namespace baton::linux::drivers
