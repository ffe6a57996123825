#include "model/linux/drivers/nvme.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/devices/nvme/registers.h"
#include "model/linux/drivers/observations.h"

namespace baton::linux::drivers {
namespace {

namespace nvme = devices::nvme;
namespace field = devices::nvme::field;
namespace offset = devices::nvme::offset;
using nvme::AdminOpcode;
using nvme::SubmissionEntry;

constexpr std::uint32_t kClass = 0x010802;
constexpr std::uint32_t kAdminEntries = 32;  // NVME_AQ_DEPTH
constexpr std::uint32_t kEntries = 64;       // of the I/O queues: a page of commands
constexpr std::uint32_t kVectors = 2;
constexpr std::uint16_t kIoQueue = 1;
// nvme_wait_ready() sleeps 1 to 2 ms; commands are looked for more often, as interrupts would come.
constexpr sim::Duration kReadyPoll = sim::Duration::milliseconds(1);
constexpr sim::Duration kCommandPoll = sim::Duration::microseconds(20);
constexpr unsigned kReadyPolls = nvme::kTimeoutUnits * 500;  // CAP.TO
constexpr unsigned kCommandPolls = 3'000'000;                // NVME_ADMIN_TIMEOUT, 60 s

SubmissionEntry command(AdminOpcode opcode) {
  SubmissionEntry entry;
  entry.opcode = static_cast<std::uint8_t>(opcode);
  return entry;
}

}  // namespace

bool Nvme::matches(const pci::PciDev& dev) const { return dev.class_code == kClass; }

std::uint32_t Nvme::read(const pci::PciDev& dev, std::uint32_t at) const {
  return static_cast<std::uint32_t>(services_.port().mmio_read(dev.resources[0].start + at, 4));
}

void Nvme::write(const pci::PciDev& dev, std::uint32_t at, std::uint32_t value) const {
  services_.port().mmio_write(dev.resources[0].start + at, 4, value);
}

// lo_hi_writeq().
void Nvme::write_address(const pci::PciDev& dev, std::uint32_t at, PhysAddr value) const {
  write(dev, at, static_cast<std::uint32_t>(value.value()));
  write(dev, at + 4, static_cast<std::uint32_t>(value.value() >> 32));
}

// nvme_wait_ready(), nvme_disable_ctrl(). ENODEV.
Co<Result<>> Nvme::wait_for(const pci::PciDev& dev, std::uint32_t mask, std::uint32_t value) {
  for (unsigned i = 0; i < kReadyPolls; ++i) {
    const std::uint32_t status = read(dev, offset::kCsts);
    if (status == UINT32_MAX) break;
    if ((status & mask) == value) co_return Result<>();
    co_await services_.spend(kReadyPoll);
  }
  co_return fail(Errno::kNoDev);
}

void Nvme::publish(const pci::PciDev& dev, PhysAddr page, bool allocated) const {
  const auto& topic = services_.port().simulation().topic<DmaMemoryChanged>();
  if (topic.active()) {
    topic.publish({services_.generation(), dev.address, {page, sim::kPageSize}, allocated});
  }
}

Result<> Nvme::allocate(const pci::PciDev& dev, Controller& controller) {
  for (PhysAddr* page : {&controller.admin_submission, &controller.admin_completion,
                         &controller.submission, &controller.completion, &controller.buffer}) {
    const auto got = services_.pages().allocate(0, "nvme queue");
    if (!got) return fail(got.error());
    *page = *got;
    const std::array<std::byte, sim::kPageSize> zeros{};
    services_.port().ram().write(*got, zeros);
    publish(dev, *got, true);
  }
  return {};
}

void Nvme::free(const pci::PciDev& dev, Controller& controller) {
  for (const PhysAddr page : {controller.admin_submission, controller.admin_completion,
                              controller.submission, controller.completion, controller.buffer}) {
    if (page == PhysAddr{}) continue;
    publish(dev, page, false);
    services_.pages().free(page);
  }
  for (const CpuVector vector : controller.vectors) irqs_.free(vector);
}

Co<Result<>> Nvme::probe(pci::PciDev& dev) {
  const Result<> enabled = core_.enable_device(dev);
  if (!enabled) co_return enabled;
  core_.set_master(dev);
  Controller& controller = controllers_[dev.address];
  const Result<> started = co_await start(dev, controller);
  if (started) {
    services_.print(sim::LogLevel::kInfo, "nvme {}: 1/0/0 default/read/poll queues",
                    to_string(dev.address));
    co_return started;
  }
  core_.disable_msix(dev);
  free(dev, controller);
  controllers_.erase(dev.address);
  core_.disable_device(dev);
  co_return started;
}

// nvme_pci_enable(), then nvme_init_ctrl_finish() and nvme_setup_io_queues().
Co<Result<>> Nvme::start(pci::PciDev& dev, Controller& controller) {
  if (dev.resources[0].start.value() == 0 || read(dev, offset::kCsts) == UINT32_MAX) {
    co_return fail(Errno::kNoDev);
  }
  Result<> done = allocate(dev, controller);
  if (done) done = co_await configure_admin_queue(dev, controller);
  if (done) done = set_up_interrupts(dev, controller);
  if (done) {
    SubmissionEntry identify = command(AdminOpcode::kIdentify);
    identify.prp1 = controller.buffer.value();
    identify.cdw10 = static_cast<std::uint32_t>(nvme::IdentifyWhat::kController);
    done = co_await admin(dev, controller, identify);
  }
  if (done) done = co_await set_up_queues(dev, controller);
  co_return done;
}

// nvme_pci_configure_admin_queue(): whatever it was doing, it is disabled first.
Co<Result<>> Nvme::configure_admin_queue(const pci::PciDev& dev, Controller& controller) {
  const std::uint32_t enabled = nvme::put(field::kEn, 1);
  const std::uint32_t ready = nvme::put(field::kRdy, 1);
  write(dev, offset::kCc, read(dev, offset::kCc) & ~(enabled | field::kShn.mask()));
  Result<> done = co_await wait_for(dev, ready, 0);
  if (!done) co_return done;
  write(dev, offset::kAqa,
        nvme::put(field::kAsqs, kAdminEntries - 1) | nvme::put(field::kAcqs, kAdminEntries - 1));
  write_address(dev, offset::kAsq, controller.admin_submission);
  write_address(dev, offset::kAcq, controller.admin_completion);
  // Pages of 4 KiB, entries of 64 and 16 bytes; nvme_enable_ctrl() sets EN by itself.
  const std::uint32_t configuration = nvme::put(field::kIosqes, 6) | nvme::put(field::kIocqes, 4);
  write(dev, offset::kCc, configuration);
  write(dev, offset::kCc, configuration | enabled);
  done = co_await wait_for(dev, ready, ready);
  co_return done;
}

Result<> Nvme::set_up_interrupts(pci::PciDev& dev, Controller& controller) {
  std::vector<pci::PciCore::MsiMessage> messages;
  for (std::uint32_t i = 0; i < std::min(kVectors, core_.msix_table_size(dev)); ++i) {
    const auto irq = irqs_.request([] {}, dev);
    if (!irq) return fail(irq.error());
    controller.vectors.push_back(irq->vector);
    messages.push_back({irq->message.address, irq->message.data});
  }
  return core_.enable_msix(dev, messages);
}

// Number of queues, a completion queue, a submission queue, the namespace.
Co<Result<>> Nvme::set_up_queues(const pci::PciDev& dev, Controller& controller) {
  SubmissionEntry count = command(AdminOpcode::kSetFeatures);
  count.cdw10 = static_cast<std::uint32_t>(nvme::Feature::kNumberOfQueues);
  SubmissionEntry completion = command(AdminOpcode::kCreateCompletionQueue);
  completion.prp1 = controller.completion.value();
  completion.cdw10 = (kEntries - 1) << 16 | kIoQueue;
  completion.cdw11 = (std::uint32_t{kVectors} - 1) << 16 | 3;  // interrupts on, contiguous
  SubmissionEntry submission = command(AdminOpcode::kCreateSubmissionQueue);
  submission.prp1 = controller.submission.value();
  submission.cdw10 = (kEntries - 1) << 16 | kIoQueue;
  submission.cdw11 = std::uint32_t{kIoQueue} << 16 | 1;
  SubmissionEntry identify = command(AdminOpcode::kIdentify);
  identify.namespace_id = nvme::kNamespaceId;
  identify.prp1 = controller.buffer.value();
  const std::array steps{count, completion, submission, identify};
  for (const SubmissionEntry& entry : steps) {
    const Result<> done = co_await admin(dev, controller, entry);
    if (!done) co_return done;
  }
  controller.queues = true;
  co_return Result<>();
}

// nvme_submit_sync_cmd() on the admin queue.
Co<Result<>> Nvme::admin(const pci::PciDev& dev, Controller& controller, SubmissionEntry entry) {
  sim::PhysicalMemory& ram = services_.port().ram();
  entry.command_id = controller.tail;
  ram.write(controller.admin_submission + controller.tail * sizeof(entry),
            std::as_bytes(std::span(&entry, 1)));
  controller.tail = static_cast<std::uint16_t>((controller.tail + 1U) % kAdminEntries);
  write(dev, offset::kDoorbells, controller.tail);
  for (unsigned i = 0; i < kCommandPolls; ++i) {
    nvme::CompletionEntry done;
    ram.read(controller.admin_completion + controller.head * sizeof(done),
             std::as_writable_bytes(std::span(&done, 1)));
    if (done.phase() == controller.phase) {
      controller.head = static_cast<std::uint16_t>((controller.head + 1U) % kAdminEntries);
      if (controller.head == 0) controller.phase = !controller.phase;
      write(dev, offset::kDoorbells + 4, controller.head);
      co_return done.code() == nvme::Status::kSuccess ? Result<>() : fail(Errno::kIo);
    }
    co_await services_.spend(kCommandPoll);
  }
  co_return fail(Errno::kIo);
}

// nvme_dev_disable() with shutdown: queues are deleted, then the controller is told to flush.
Co<> Nvme::stop(pci::PciDev& dev, Controller& controller) {
  if (controller.queues) {
    controller.queues = false;
    constexpr std::array kDeletions{AdminOpcode::kDeleteSubmissionQueue,
                                    AdminOpcode::kDeleteCompletionQueue};
    for (const AdminOpcode opcode : kDeletions) {
      SubmissionEntry entry = command(opcode);
      entry.cdw10 = kIoQueue;
      static_cast<void>(co_await admin(dev, controller, entry));
    }
  }
  const std::uint32_t configuration = read(dev, offset::kCc) & ~field::kShn.mask();
  write(dev, offset::kCc, configuration | nvme::put(field::kShn, 1));
  static_cast<void>(co_await wait_for(dev, field::kShst.mask(), nvme::put(field::kShst, 2)));
}

Co<> Nvme::shutdown(pci::PciDev& dev) {
  const auto found = controllers_.find(dev.address);
  if (found != controllers_.end()) co_await stop(dev, found->second);
}

Co<> Nvme::remove(pci::PciDev& dev) {
  const auto found = controllers_.find(dev.address);
  if (found == controllers_.end()) co_return;
  co_await stop(dev, found->second);
  core_.disable_msix(dev);
  core_.disable_device(dev);
  free(dev, found->second);
  controllers_.erase(found);
}

}  // namespace baton::linux::drivers
