// MSI as eventfds, and that no device has INTx [linux drivers/vfio/pci/vfio_pci_intrs.c].
#include "model/pci/function.h"
#include "tests/vfio/remapped_kernel.h"

namespace {

using namespace baton;
using namespace baton::test;
using linux::InterruptPolicy;

constexpr std::uint16_t kMsiCap = 0x60;
constexpr std::uint32_t kVectors = 8;
constexpr std::uint32_t kIntx = uapi::kVfioPciIntxIrqIndex;
constexpr std::uint32_t kMsi = uapi::kVfioPciMsiIrqIndex;
constexpr std::uint32_t kMsix = uapi::kVfioPciMsixIrqIndex;
constexpr std::uint32_t kTrigger = uapi::kVfioIrqSetActionTrigger;
constexpr std::uint32_t kEventfds = uapi::kVfioIrqSetDataEventfd | kTrigger;
constexpr std::uint32_t kNone = uapi::kVfioIrqSetDataNone | kTrigger;
constexpr std::uint32_t kBools = uapi::kVfioIrqSetDataBool | kTrigger;

// An endpoint of the root complex with eight vectors of MSI, 64 address bits and a mask for each,
// and with nine of MSI-X.
std::unique_ptr<pci::Function> make_messenger(sim::Simulation& simulation) {
  pci::ConfigSpace config = pci::ConfigSpace::type0({.vendor = 0x1234, .device = 0x5678});
  config.bar64(0, 4096, true);
  config.add_capability(0x40, pci::CapabilityId::kExpress,
                        {{2, 2, 0x0092}, {4, 4, 0x10008002U}, {8, 2, 0x2810}});
  config.add_capability(kMsiCap, pci::CapabilityId::kMsi, {{2, 2, 0x0186}});
  config.add_capability(0x80, pci::CapabilityId::kMsix, {{2, 2, 8}, {4, 4, 0x800}, {8, 4, 0xC00}});
  return std::make_unique<pci::Function>(simulation, "dsa0", std::move(config));
}

using Body = Co<> (*)(RemappedKernel&, VfioNotes&);

void run_one(Body body, bool remapping = true) {
  WorldConfig config;
  config.interrupt_remapping = remapping;
  config.build = [](host::Machine& machine) {
    pci::Bus& root = machine.fabric().add_root_bus(0, 0x6A, 0x6A);
    machine.fabric().add(root, 1, 0, make_messenger(machine.simulation()));
  };
  VfioNotes notes;
  TwoKernels<RemappedKernel> world({[&](RemappedKernel& kernel) { return body(kernel, notes); }},
                                   config);
  notes.machine = &world.machine();
  world.run();
  CHECK(world.panic() == "");
  CHECK(world.completed(0));
}

// What SET_IRQS returns, or the negative errno.
Co<std::int64_t> set_irqs(VfioKernel& kernel, int cdev, std::uint32_t flags, std::uint32_t index,
                          std::uint32_t start, std::uint32_t count,
                          std::span<const std::byte> data = {}) {
  uapi::VfioIrqSet set;
  set.argsz = static_cast<std::uint32_t>(sizeof(set) + data.size());
  set.flags = flags;
  set.index = index;
  set.start = start;
  set.count = count;
  std::vector<std::byte> argument(set.argsz);
  std::memcpy(argument.data(), &set, sizeof(set));
  std::ranges::copy(data, argument.begin() + sizeof(set));
  linux::File& file = **kernel.process.file(cdev);
  const auto done = co_await file.ioctl(kernel.process, uapi::kVfioDeviceSetIrqs, argument);
  co_return done ? *done : -static_cast<std::int64_t>(done.error());
}

struct Eventfds {
  std::vector<linux::EventFd*> files;
  std::vector<std::byte> descriptors;
};

Eventfds make_eventfds(VfioKernel& kernel, std::size_t count) {
  Eventfds made;
  made.descriptors.resize(count * sizeof(std::int32_t));
  for (std::size_t i = 0; i < count; ++i) {
    auto& eventfd = kernel.services.files().add(std::make_unique<linux::EventFd>(kernel.port));
    const std::int32_t fd = *kernel.process.install(eventfd);
    std::memcpy(made.descriptors.data() + i * sizeof(fd), &fd, sizeof(fd));
    made.files.push_back(&eventfd);
  }
  return made;
}

// Counts of all eventfds, a while after the device sent these vectors, a bit for each.
Co<std::vector<std::uint64_t>> counts_after(VfioKernel& kernel, VfioNotes& notes,
                                            const Eventfds& eventfds, unsigned sent) {
  for (unsigned vector = 0; vector < 32; ++vector) {
    if ((sent >> vector & 1) != 0) notes.dsa().signal_message(vector);
  }
  co_await kernel.services.spend(sim::Duration::microseconds(10));
  std::vector<std::uint64_t> counts;
  for (const linux::EventFd* file : eventfds.files) counts.push_back(file->count());
  co_return counts;
}

// Bound to vfio-pci and to an iommufd, memory and bus master on.
Co<int> open_messenger(VfioKernel& kernel) {
  AWAIT_OK(kernel.bind_driver());
  Owner owner;
  owner.iommufd = open_iommufd(kernel);
  owner.cdev = open_cdev(kernel);
  AWAIT_EQUAL(bind(kernel, owner), 0);
  AWAIT_OK(
      write_region(kernel, owner.cdev, uapi::kVfioPciConfigRegionIndex, 4, std::uint16_t{0x0006}));
  co_return owner.cdev;
}

Co<> information(RemappedKernel& kernel, VfioNotes&) {
  const int cdev = co_await open_messenger(kernel);
  uapi::VfioIrqInfo info;
  info.index = kMsi;
  AWAIT_EQUAL(request(kernel, cdev, uapi::kVfioDeviceGetIrqInfo, info), 0);
  CHECK(info.count == kVectors);
  CHECK(info.flags == (uapi::kVfioIrqInfoEventfd | uapi::kVfioIrqInfoNoresize));
  info.index = kMsix;
  AWAIT_EQUAL(request(kernel, cdev, uapi::kVfioDeviceGetIrqInfo, info), 0);
  CHECK(info.count == 9);
  info.index = kIntx;
  AWAIT_EQUAL(request(kernel, cdev, uapi::kVfioDeviceGetIrqInfo, info), 0);
  CHECK(info.count == 0);
  CHECK(info.flags ==
        (uapi::kVfioIrqInfoEventfd | uapi::kVfioIrqInfoMaskable | uapi::kVfioIrqInfoAutomasked));
}

Co<> no_intx(RemappedKernel& kernel, VfioNotes&) {
  const int cdev = co_await open_messenger(kernel);
  const int invalid = error(Errno::kInval);
  const Eventfds one = make_eventfds(kernel, 1);
  AWAIT_EQUAL(set_irqs(kernel, cdev, kEventfds, kIntx, 0, 1, one.descriptors), invalid);
  AWAIT_EQUAL(set_irqs(kernel, cdev, kNone, kIntx, 0, 0), invalid);
  for (const std::uint32_t action : {uapi::kVfioIrqSetActionMask, uapi::kVfioIrqSetActionUnmask}) {
    const std::uint32_t flags = uapi::kVfioIrqSetDataNone | action;
    AWAIT_EQUAL(set_irqs(kernel, cdev, flags, kIntx, 0, 1), invalid);
  }
}

Co<> vectors(RemappedKernel& kernel, VfioNotes& notes) {
  using Counts = std::vector<std::uint64_t>;
  const int cdev = co_await open_messenger(kernel);
  const Eventfds three = make_eventfds(kernel, 3);
  AWAIT_EQUAL(set_irqs(kernel, cdev, kEventfds, kMsi, 0, 3, three.descriptors), 0);
  // Enabled, four vectors of eight allocated, three unmasked.
  CHECK(notes.config(kMsiCap + 2, 2) == (0x0186U | 0x20 | 1));
  CHECK((notes.config(kMsiCap + 0x10, 4) & 0xFF) == 0xF8);
  CHECK((notes.config(4, 2) & 0x400) != 0);
  Counts counts = co_await counts_after(kernel, notes, three, 0b10);
  CHECK(counts == Counts{0, 1, 0});
  counts = co_await counts_after(kernel, notes, three, 0b1101);
  CHECK(counts == Counts{1, 1, 1});
  // Their number is fixed, and the other kind is for later.
  const Eventfds one = make_eventfds(kernel, 1);
  AWAIT_EQUAL(set_irqs(kernel, cdev, kEventfds, kMsi, 3, 1, one.descriptors), error(Errno::kInval));
  AWAIT_EQUAL(set_irqs(kernel, cdev, kEventfds, kMsix, 0, 1, one.descriptors),
              error(Errno::kInval));
  AWAIT_EQUAL(set_irqs(kernel, cdev, kNone, kMsix, 0, 0), error(Errno::kInval));
  // From software.
  const std::vector<std::byte> second{std::byte{0}, std::byte{1}};
  AWAIT_EQUAL(set_irqs(kernel, cdev, kBools, kMsi, 0, 2, second), 0);
  AWAIT_EQUAL(set_irqs(kernel, cdev, kNone, kMsi, 2, 1), 0);
  counts = co_await counts_after(kernel, notes, three, 0);
  CHECK(counts == Counts{1, 2, 2});
  // A vector without an eventfd is heard by nobody.
  std::vector<std::byte> nobody(4, std::byte{0xFF});
  AWAIT_EQUAL(set_irqs(kernel, cdev, kEventfds, kMsi, 1, 1, nobody), 0);
  counts = co_await counts_after(kernel, notes, three, 0b11);
  CHECK(counts == Counts{2, 2, 2});
  AWAIT_EQUAL(set_irqs(kernel, cdev, kNone, kMsi, 0, 0), 0);
  CHECK(notes.config(kMsiCap + 2, 2) == 0x0186U);
  CHECK((notes.config(kMsiCap + 0x10, 4) & 0xFF) == 0);
  CHECK(!notes.dsa().signal_message(0));
  // Now the other kind, and back to this one with every vector.
  AWAIT_EQUAL(set_irqs(kernel, cdev, kEventfds, kMsix, 0, 1, one.descriptors), 0);
  counts = co_await counts_after(kernel, notes, one, 0b1);
  CHECK(counts == Counts{1});
  AWAIT_EQUAL(set_irqs(kernel, cdev, kNone, kMsix, 0, 0), 0);
  const Eventfds all = make_eventfds(kernel, kVectors);
  AWAIT_EQUAL(set_irqs(kernel, cdev, kEventfds, kMsi, 0, kVectors, all.descriptors), 0);
  counts = co_await counts_after(kernel, notes, all, 0xFF);
  // The event of vector 3 above found it masked, and has been pending ever since.
  CHECK(counts == Counts{1, 1, 1, 2, 1, 1, 1, 1});
  // Closing the device takes them down.
  AWAIT_OK(kernel.process.close(cdev));
  CHECK((notes.config(kMsiCap + 2, 2) & 1) == 0);
}

Co<> refusals(RemappedKernel& kernel, VfioNotes& notes) {
  const int cdev = co_await open_messenger(kernel);
  const int invalid = error(Errno::kInval);
  const Eventfds one = make_eventfds(kernel, 1);
  const Eventfds nine = make_eventfds(kernel, 9);
  AWAIT_EQUAL(set_irqs(kernel, cdev, kEventfds, kMsi, 0, 9, nine.descriptors), invalid);
  AWAIT_EQUAL(set_irqs(kernel, cdev, kEventfds, kMsi, 8, 1, one.descriptors), invalid);
  AWAIT_EQUAL(set_irqs(kernel, cdev, kNone, kMsi, 0, 1), invalid);
  AWAIT_EQUAL(set_irqs(kernel, cdev, kEventfds, kMsi, 0, 2, one.descriptors), invalid);
  AWAIT_EQUAL(set_irqs(kernel, cdev, kEventfds, kMsi, 0, 0), error(Errno::kRange));
  for (const std::uint32_t action : {uapi::kVfioIrqSetActionMask, uapi::kVfioIrqSetActionUnmask,
                                     kTrigger | uapi::kVfioIrqSetActionMask, 0U}) {
    const std::uint32_t flags = uapi::kVfioIrqSetDataNone | action;
    AWAIT_EQUAL(set_irqs(kernel, cdev, flags, kMsi, 0, 1), error(Errno::kNoTty));
  }
  const std::int32_t not_open = 900;
  std::vector<std::byte> bad(sizeof(not_open));
  std::memcpy(bad.data(), &not_open, sizeof(not_open));
  AWAIT_EQUAL(set_irqs(kernel, cdev, kEventfds, kMsi, 0, 1, bad), error(Errno::kBadF));
  CHECK(notes.config(kMsiCap + 2, 2) == 0x0186U);  // nothing is left of it
}

// Vectors of a CPU are not given out in rows: there is one, and SET_IRQS says so with its answer.
Co<> one_alone(RemappedKernel& kernel, VfioNotes& notes) {
  const int cdev = co_await open_messenger(kernel);
  const Eventfds two = make_eventfds(kernel, 2);
  AWAIT_EQUAL(set_irqs(kernel, cdev, kEventfds, kMsi, 0, 2, two.descriptors), 1);
  CHECK(notes.config(kMsiCap + 2, 2) == 0x0186U);
  const std::vector<std::byte> first(two.descriptors.begin(), two.descriptors.begin() + 4);
  AWAIT_EQUAL(set_irqs(kernel, cdev, kEventfds, kMsi, 0, 1, first), 0);
  const auto counts = co_await counts_after(kernel, notes, two, 0b11);
  CHECK(counts == std::vector<std::uint64_t>{2, 0});  // it has one message for all it has to say
}

struct Outcome {
  std::size_t writes = 0;
  std::vector<std::uint64_t> found;  // interrupts of the freeze that the owner heard of
  bool works = false;
  std::optional<Errno> refused;
};

Co<> cancel(RemappedKernel& kernel, VfioNotes& notes, Outcome& outcome) {
  bool frozen = false;
  FailingHandler handler(kernel, [&] {
    frozen = true;
    notes.dsa().signal_message(2);
  });
  CHECK(kernel.luo.register_handler(handler));
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  AWAIT_EQUAL(set_irqs(kernel, owner.cdev, kNone, kMsix, 0, 0), 0);
  const Eventfds four = make_eventfds(kernel, 4);
  AWAIT_EQUAL(set_irqs(kernel, owner.cdev, kEventfds, kMsi, 0, 4, four.descriptors), 0);
  const int session = co_await preserve_all(kernel, owner);
  const int failing = open_test_file(kernel, 1);
  AWAIT_EQUAL(preserve_fd(kernel, session, failing, 77), 0);
  notes.watching = true;
  const auto rebooted = co_await kernel.luo.reboot();
  CHECK_FALSE(rebooted.has_value());
  if (!frozen) outcome.refused = rebooted.error();
  outcome.writes = notes.writes.size();
  outcome.found = co_await counts_after(kernel, notes, four, 0);
  const auto later = co_await counts_after(kernel, notes, four, 0b1111);
  outcome.works = true;
  for (std::size_t i = 0; i < later.size(); ++i) {
    if (later[i] != outcome.found[i] + 1) outcome.works = false;
  }
}

Outcome cancelled(InterruptPolicy policy) {
  WorldConfig config;
  config.kernels[0].policies.interrupts = policy;
  config.interrupt_remapping = true;
  config.iommu_profile = iommu_vtd::with_posted_interrupts(config.iommu_profile);
  config.build = [](host::Machine& machine) {
    pci::Bus& root = machine.fabric().add_root_bus(0, 0x6A, 0x6A);
    machine.fabric().add(root, 1, 0, make_messenger(machine.simulation()));
  };
  return cancelled_handover<Outcome>(config, cancel);
}

}  // namespace

TEST_CASE("what a device has of each kind of interrupt; no device has INTx") {
  run_one(information);
}
TEST_CASE("whatever is asked of INTx is out of range") { run_one(no_intx); }
TEST_CASE("vectors of one MSI arrive as eventfds, each as its own, one kind at a time") {
  run_one(vectors);
}
TEST_CASE("bad SET_IRQS requests for MSI are refused and leave nothing behind") {
  run_one(refusals);
}
TEST_CASE("without remapping a device has one vector of MSI") { run_one(one_alone, false); }

TEST_CASE("policies for interrupts hold back MSI as they do MSI-X") {
  using Counts = std::vector<std::uint64_t>;
  const Counts nothing{0, 0, 0, 0};
  const Outcome disabled = cancelled(InterruptPolicy::kDisableInFreeze);
  CHECK(disabled.writes == 2);
  CHECK(disabled.found == nothing);
  CHECK(disabled.works);
  const Outcome dropped = cancelled(InterruptPolicy::kIrteDrop);
  CHECK(dropped.writes == 0);
  CHECK(dropped.found == nothing);
  CHECK(dropped.works);
  const Outcome captured = cancelled(InterruptPolicy::kPostedCapture);
  CHECK(captured.writes == 0);
  CHECK(captured.found == Counts{0, 0, 1, 0});
  CHECK(captured.works);
  CHECK(cancelled(InterruptPolicy::kRequireDisabled).refused == Errno::kInval);
}
