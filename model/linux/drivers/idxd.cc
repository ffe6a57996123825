#include "model/linux/drivers/idxd.h"

#include <fmt/format.h>

namespace baton::linux::drivers {
namespace {

constexpr std::uint16_t kVendorIntel = 0x8086;
constexpr std::uint16_t kSapphireRapidsDsa = 0x0B25;

// Registers in BAR 0 [DSA 341204, 9.2].
constexpr std::uint16_t kVersion = 0x00;
constexpr std::uint16_t kGenCap = 0x10;
constexpr std::uint16_t kWqCap = 0x20;
constexpr std::uint16_t kGrpCap = 0x30;
constexpr std::uint16_t kEngCap = 0x38;
constexpr std::uint16_t kOpCap = 0x40;
constexpr std::uint16_t kOffsets = 0x60;
constexpr std::uint16_t kGenCtrl = 0x88;
constexpr std::uint16_t kGenSts = 0x90;
constexpr std::uint16_t kIntCause = 0x98;
constexpr std::uint16_t kCmd = 0xA0;
constexpr std::uint16_t kCmdStatus = 0xA8;

constexpr std::uint32_t kErrorInterrupts = 0x3;  // software error, halt
constexpr std::uint32_t kStateMask = 0x3;
constexpr std::uint32_t kStateEnabled = 1;
constexpr std::uint32_t kStateHalt = 3;
constexpr unsigned kCommandShift = 20;
constexpr std::uint32_t kDisableDevice = 2;
constexpr std::uint32_t kResetDevice = 5;
constexpr std::uint32_t kActive = std::uint32_t{1} << 31;
constexpr sim::Duration kPoll = sim::Duration::microseconds(1);
constexpr unsigned kPollsMax = 100'000;

}  // namespace

bool Idxd::matches(const pci::PciDev& dev) const {
  return dev.vendor == kVendorIntel && dev.device == kSapphireRapidsDsa;
}

std::uint64_t Idxd::read(const pci::PciDev& dev, std::uint16_t offset, unsigned width) const {
  return services_.port().mmio_read(dev.resources[0].start + offset, width);
}

void Idxd::write(const pci::PciDev& dev, std::uint16_t offset, unsigned width,
                 std::uint64_t value) const {
  services_.port().mmio_write(dev.resources[0].start + offset, width, value);
}

// idxd_cmd_exec() without an interrupt: the error field of CMDSTATUS. EIO: it never ends.
Co<Result<std::uint32_t>> Idxd::command(const pci::PciDev& dev, std::uint32_t code) {
  write(dev, kCmd, 4, code << kCommandShift);
  for (unsigned i = 0; i < kPollsMax; ++i) {
    const auto status = static_cast<std::uint32_t>(read(dev, kCmdStatus, 4));
    if ((status & kActive) == 0) {
      co_return status & 0xFF;
    }
    co_await services_.spend(kPoll);
  }
  co_return fail(Errno::kIo);
}

// idxd_pci_probe(), idxd_probe().
Co<Result<>> Idxd::probe(pci::PciDev& dev) {
  const Result<> enabled = core_.enable_device(dev);
  if (!enabled) {
    co_return enabled;
  }
  if (dev.resources[0].start.value() == 0) {
    core_.disable_device(dev);
    co_return fail(Errno::kNoMem);
  }
  core_.set_master(dev);
  read(dev, kVersion, 4);
  // idxd_device_init_reset().
  const bool halted = (read(dev, kGenSts, 4) & kStateMask) == kStateHalt;
  Result<std::uint32_t> reset = fail(Errno::kIo);
  if (!halted) {
    reset = co_await command(dev, kResetDevice);
  }
  if (!reset) {
    core_.disable_device(dev);
    co_return fail(reset.error());
  }
  for (const std::uint16_t offset : {kGenCap, kGrpCap, kEngCap, kWqCap, kOpCap, kOffsets}) {
    read(dev, offset, 8);
  }
  const Result<> interrupts = set_up_interrupts(dev);
  if (!interrupts) {
    core_.disable_device(dev);
    co_return interrupts;
  }
  services_.print(sim::LogLevel::kInfo, "idxd {}: Intel(R) Accelerator Device (v{:x})",
                  to_string(dev.address), read(dev, kVersion, 4));
  co_return Result<>();
}

// idxd_setup_interrupts(): every vector; entry 0 is for errors, the others belong to queues that
// nobody has configured.
Result<> Idxd::set_up_interrupts(pci::PciDev& dev) {
  std::vector<pci::PciCore::MsiMessage> messages;
  std::vector<Vector>& vectors = vectors_[dev.address];
  for (unsigned entry = 0; entry < core_.msix_table_size(dev); ++entry) {
    // idxd_misc_thread(): a cause is acknowledged by writing it back.
    const auto handler = [this, &dev] { write(dev, kIntCause, 4, read(dev, kIntCause, 4)); };
    const auto irq = irqs_.request(entry == 0 ? std::function<void()>(handler) : [] {}, dev);
    if (!irq) {
      release_interrupts(dev);
      return fail(irq.error());
    }
    vectors.push_back(irq->vector);
    messages.push_back({irq->message.address, irq->message.data});
  }
  if (const auto on = core_.enable_msix(dev, messages); !on) {
    release_interrupts(dev);
    return on;
  }
  write(dev, kGenCtrl, 4, read(dev, kGenCtrl, 4) | kErrorInterrupts);
  return {};
}

void Idxd::release_interrupts(pci::PciDev& dev) {
  const auto found = vectors_.find(dev.address);
  if (found == vectors_.end()) {
    return;
  }
  for (const Vector vector : found->second) {
    irqs_.free(vector);
  }
  vectors_.erase(found);
}

Co<> Idxd::shutdown(pci::PciDev& dev) {
  if ((read(dev, kGenSts, 4) & kStateMask) == kStateEnabled) {
    static_cast<void>(co_await command(dev, kDisableDevice));
  }
  write(dev, kGenCtrl, 4, read(dev, kGenCtrl, 4) & ~std::uint64_t{kErrorInterrupts});
}

// idxd_remove().
Co<> Idxd::remove(pci::PciDev& dev) {
  co_await shutdown(dev);
  core_.disable_msix(dev);
  release_interrupts(dev);
  core_.disable_device(dev);
}

}  // namespace baton::linux::drivers
