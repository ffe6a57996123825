// The guest's driver of its DSA, in the order of the kernel's own user-space driver for it
// [linux tools/testing/selftests/vfio/lib/drivers/dsa/dsa.c]: reset, one dedicated queue with all
// entries in group 0 with engine 0, enable. Bus master and MSI-X are the VMM's business.
#include <bit>

#include "model/devices/dsa/registers.h"
#include "model/vmm/guest_context.h"

namespace baton::vmm {
namespace {

using namespace devices::dsa;

constexpr std::uint64_t kAllOnes32 = 0xFFFFFFFF;
constexpr sim::Duration kMmio = sim::Duration::nanoseconds(500);
constexpr sim::Duration kCommandPoll = sim::Duration::microseconds(1);

void send_command(GuestContext& guest, Command command, std::uint32_t operand, Routine next) {
  const std::uint64_t value =
      field::kCommand.put(static_cast<std::uint64_t>(command)) | field::kOperand.put(operand);
  guest.device_write(offset::kCmd, 4, value);
  guest.r(kAfterCommand) = static_cast<std::uint64_t>(next);
  guest.go(Routine::kCommandWait);
}

}  // namespace

GuestStep reset_device(GuestContext& guest) {
  const std::uint64_t version = guest.device_read(offset::kVersion, 4);
  const std::uint64_t status = guest.device_read(offset::kGensts, 4);
  if (version == kAllOnes32 || version >> 8 == 0) {
    guest.fail(GuestFailure::kDeviceMissing, static_cast<std::uint32_t>(version));
  } else if (field::kState.get(status) == static_cast<std::uint64_t>(DeviceState::kHalt)) {
    guest.fail(GuestFailure::kDeviceHalted, static_cast<std::uint32_t>(status));
  } else {
    guest.status.state = GuestState::kBooting;
    send_command(guest, Command::kResetDevice, 0, Routine::kConfigure);
  }
  return {kMmio * 3};
}

GuestStep wait_for_command(GuestContext& guest) {
  const std::uint64_t status = guest.device_read(offset::kCmdstatus, 4);
  if (status == kAllOnes32) {
    guest.fail(GuestFailure::kDeviceMissing, static_cast<std::uint32_t>(status));
  } else if (field::kCommandActive.get(status) == 0) {
    if (field::kCommandError.get(status) == 0) {
      guest.regs.pc = guest.r(kAfterCommand);
    } else {
      guest.fail(GuestFailure::kCommandFailed, static_cast<std::uint32_t>(status));
    }
  }
  return {kCommandPoll};
}

GuestStep configure_device(GuestContext& guest) {
  const std::uint64_t entries = guest.device_read(offset::kWqcap, 8) & 0xFFFF;
  const std::uint64_t table = guest.device_read(offset::kOffsets, 8);
  const std::uint64_t groups = (table & 0xFFFF) * 0x100;
  const std::uint64_t queues = (table >> 16 & 0xFFFF) * 0x100;
  const auto transfer_shift = static_cast<std::uint64_t>(std::bit_width(guest.workload().size - 1));
  guest.device_write(queues + wqcfg::kSize.offset, 4, entries);
  guest.device_write(queues + wqcfg::kMode.offset, 4,
                     wqcfg::kMode.put(1) | wqcfg::kAtsDisable.put(1) | wqcfg::kPriority.put(1));
  guest.device_write(queues + wqcfg::kMaxTransfer.offset, 4,
                     wqcfg::kMaxTransfer.put(transfer_shift) |
                         wqcfg::kMaxBatch.put(std::bit_width(kBatchMembersMax) - 1u));
  guest.device_write(queues + wqcfg::kOperations, 8, 1u << 1 | 1u << 3);  // batch, memory move
  guest.device_write(groups + grpcfg::kWqs.offset, 8, 1);
  guest.device_write(groups + grpcfg::kEngines.offset, 8, 1);
  send_command(guest, Command::kEnableDevice, 0, Routine::kEnableQueue);
  return {kMmio * 9};
}

GuestStep enable_queue(GuestContext& guest) {
  send_command(guest, Command::kEnableWq, 0, Routine::kDeviceReady);
  return {kMmio};
}

bool device_alive(GuestContext& guest) {
  const std::uint64_t status = guest.device_read(offset::kGensts, 4);
  if (status == kAllOnes32) {
    guest.fail(GuestFailure::kDeviceMissing, static_cast<std::uint32_t>(status));
    return false;
  }
  switch (static_cast<DeviceState>(field::kState.get(status))) {
    case DeviceState::kEnabled:
      return true;
    case DeviceState::kHalt:
      guest.fail(GuestFailure::kDeviceHalted, static_cast<std::uint32_t>(status));
      return false;
    case DeviceState::kDisabled:
    case DeviceState::kDisabling:
      break;
  }
  // Somebody reset it. What was in flight never completes.
  ++guest.status.driver_resets;
  guest.status.batches_lost += guest.r(kInFlight);
  guest.go(Routine::kReset);
  return false;
}

}  // namespace baton::vmm
