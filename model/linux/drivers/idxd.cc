#include "model/linux/drivers/idxd.h"

#include <fmt/format.h>

namespace baton::linux::drivers {
namespace {

using devices::dsa::Command;
using devices::dsa::DeviceState;
namespace field = devices::dsa::field;
namespace offset = devices::dsa::offset;

constexpr std::uint16_t kVendorIntel = 0x8086;
constexpr std::uint16_t kSapphireRapidsDsa = 0x0B25;

// idxd_unmask_error_interrupts().
const std::uint64_t kErrorInterrupts = field::kErrorInterrupt.put(1) | field::kHaltInterrupt.put(1);
// Linux polls without a pause and for ever; a device that needs longer than 100 ms is given up
// here.
constexpr sim::Duration kPoll = sim::Duration::microseconds(1);
constexpr unsigned kPollsMax = 100'000;

DeviceState state_in(std::uint64_t gensts) {
  return static_cast<DeviceState>(field::kState.get(gensts));
}

}  // namespace

bool Idxd::matches(const pci::PciDev& dev) const {
  return dev.vendor == kVendorIntel && dev.device == kSapphireRapidsDsa;
}

std::uint64_t Idxd::read(const pci::PciDev& dev, std::uint16_t at, unsigned width) const {
  return services_.port().mmio_read(dev.resources[0].start + at, width);
}

void Idxd::write(const pci::PciDev& dev, std::uint16_t at, unsigned width,
                 std::uint64_t value) const {
  services_.port().mmio_write(dev.resources[0].start + at, width, value);
}

// idxd_cmd_exec() without an interrupt. EIO: it does not end.
Co<Result<>> Idxd::command(const pci::PciDev& dev, Command which) {
  write(dev, offset::kCmd, 4, field::kCommand.put(static_cast<std::uint64_t>(which)));
  for (unsigned i = 0; i < kPollsMax; ++i) {
    if (field::kCommandActive.get(read(dev, offset::kCmdstatus, 4)) == 0) {
      co_return Result<>();
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
  read(dev, offset::kVersion, 4);
  // idxd_device_init_reset().
  const bool halted = state_in(read(dev, offset::kGensts, 4)) == DeviceState::kHalt;
  Result<> reset = fail(Errno::kIo);
  if (!halted) {
    reset = co_await command(dev, Command::kResetDevice);
  }
  if (!reset) {
    core_.disable_device(dev);
    co_return reset;
  }
  for (const std::uint16_t at : {offset::kGencap, offset::kGrpcap, offset::kEngcap, offset::kWqcap,
                                 offset::kOpcap, offset::kOffsets}) {
    read(dev, at, 8);
  }
  const Result<> interrupts = set_up_interrupts(dev);
  if (!interrupts) {
    core_.disable_device(dev);
    co_return interrupts;
  }
  services_.print(sim::LogLevel::kInfo, "idxd {}: Intel(R) Accelerator Device (v{:x})",
                  to_string(dev.address), read(dev, offset::kVersion, 4));
  co_return Result<>();
}

// idxd_setup_interrupts(): every vector; entry 0 is for errors, the others belong to queues that
// nobody has configured.
Result<> Idxd::set_up_interrupts(pci::PciDev& dev) {
  std::vector<pci::PciCore::MsiMessage> messages;
  std::vector<CpuVector>& vectors = vectors_[dev.address];
  for (unsigned entry = 0; entry < core_.msix_table_size(dev); ++entry) {
    // idxd_misc_thread(): a cause is acknowledged by writing it back.
    const auto handler = [this, &dev] {
      write(dev, offset::kIntcause, 4, read(dev, offset::kIntcause, 4));
    };
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
  write(dev, offset::kGenctrl, 4, read(dev, offset::kGenctrl, 4) | kErrorInterrupts);
  return {};
}

void Idxd::release_interrupts(pci::PciDev& dev) {
  const auto found = vectors_.find(dev.address);
  if (found == vectors_.end()) {
    return;
  }
  for (const CpuVector vector : found->second) {
    irqs_.free(vector);
  }
  vectors_.erase(found);
}

Co<> Idxd::shutdown(pci::PciDev& dev) {
  if (state_in(read(dev, offset::kGensts, 4)) == DeviceState::kEnabled) {
    static_cast<void>(co_await command(dev, Command::kDisableDevice));
  }
  write(dev, offset::kGenctrl, 4, read(dev, offset::kGenctrl, 4) & ~kErrorInterrupts);
}

// idxd_remove().
Co<> Idxd::remove(pci::PciDev& dev) {
  co_await shutdown(dev);
  core_.disable_msix(dev);
  release_interrupts(dev);
  core_.disable_device(dev);
}

}  // namespace baton::linux::drivers
