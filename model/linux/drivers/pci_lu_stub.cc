#include "model/linux/drivers/pci_lu_stub.h"

#include <fmt/format.h>

#include <algorithm>

namespace baton::linux::drivers {

namespace {

constexpr std::uint64_t kRecordBytes = 6;
constexpr std::uint64_t kRecordBdf = 4;

}  // namespace

struct PciLuStub::Device {
  explicit Device(pci::PciDev& pci_dev) : dev(pci_dev) {}

  pci::PciDev& dev;
  unsigned open_files = 0;
  sim::WaitQueue closed;
};

class PciLuStub::StubFile final : public File {
 public:
  explicit StubFile(Device& opened) : device(opened) { ++device.open_files; }

  std::string name() const override {
    return fmt::format("/dev/pci-lu-stub/{}", to_string(device.dev.address));
  }
  Co<> release() override {
    if (--device.open_files == 0) device.closed.wake_all();
    co_return;
  }

  Device& device;
};

PciLuStub::PciLuStub(KernelServices& services, kho::Kho& kho, luo::Luo& luo,
                     pci::PciLiveUpdate& live_update)
    : services_(services), kho_(kho), luo_(luo), live_update_(live_update) {}

PciLuStub::~PciLuStub() = default;

void PciLuStub::init() {
  if (services_.config().pieces.pci == PciLiveUpdate::kNone) return;
  Result<> done = luo_.register_handler(*this);
  if (done) done = live_update_.register_flbs(*this);
  if (!done && done.error() != Errno::kOpNotSupp) {
    services_.print(sim::LogLevel::kError, "pci-lu-stub: live update not registered ({})",
                    linux::name(done.error()));
  }
}

void PciLuStub::log(const Device& device, std::string_view callback) const {
  services_.print(sim::LogLevel::kInfo, "pci-lu-stub {}: {}", to_string(device.dev.address),
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
  devices_.push_back(std::make_unique<Device>(dev));
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

bool PciLuStub::can_preserve(File& file) { return dynamic_cast<StubFile*>(&file) != nullptr; }

Co<Result<>> PciLuStub::preserve(luo::FileArgs& args) {
  Device& device = dynamic_cast<StubFile*>(args.file)->device;
  log(device, "preserve");
  if (const auto known = live_update_.preserve(device.dev); !known) co_return known;
  const auto record = kho_.alloc_preserve(kRecordBytes, "pci-lu-stub record");
  if (!record) {
    live_update_.unpreserve(device.dev);
    co_return fail(record.error());
  }
  services_.port().ram().store(*record, device.dev.address.segment);
  services_.port().ram().store(*record + kRecordBdf, device.dev.address.bdf.value());
  args.serialized_data = record->value();
  co_return Result<>();
}

Co<> PciLuStub::unpreserve(luo::FileArgs& args) {
  Device& device = dynamic_cast<StubFile*>(args.file)->device;
  log(device, "unpreserve");
  kho_.unpreserve_free(PhysAddr(args.serialized_data));
  live_update_.unpreserve(device.dev);
  co_return;
}

Co<Result<>> PciLuStub::freeze(luo::FileArgs& args) {
  log(dynamic_cast<StubFile*>(args.file)->device, "freeze");
  co_return Result<>();
}

Co<> PciLuStub::unfreeze(luo::FileArgs& args) {
  log(dynamic_cast<StubFile*>(args.file)->device, "unfreeze");
  co_return;
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
  log(**found, "retrieve");
  co_return &services_.files().add(std::make_unique<StubFile>(**found));
}

Co<bool> PciLuStub::can_finish(luo::FileArgs& args) { co_return args.retrieve_status == 1; }

Co<> PciLuStub::finish(luo::FileArgs& args) {
  if (args.file != nullptr) {
    Device& device = dynamic_cast<StubFile*>(args.file)->device;
    log(device, "finish");
    live_update_.finish_device(device.dev);
    kho_.restore_free(PhysAddr(args.serialized_data));
  }
  co_return;
}

}  // namespace baton::linux::drivers
