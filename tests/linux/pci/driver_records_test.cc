// What a kernel writes of the drivers that had what it hands over, and what the next one makes of
// it.
#include "model/linux/pci/driver_records.h"

#include "model/host/observations.h"
#include "model/linux/base/observations.h"
#include "tests/linux/pci/device_session.h"

namespace {

using namespace baton;
using namespace baton::test;
using linux::DriverBindingPolicy;
using linux::pci::Driver;
using linux::pci::PciBusType;

class Owner final : public Driver {
 public:
  explicit Owner(std::string name) : name_(std::move(name)) {}
  std::string_view name() const override { return name_; }
  bool matches(const PciDev& dev) const override { return dev.device == 0x0B25; }
  linux::pci::DataFormat data_format() const override { return {1, 2, 3}; }
  Co<linux::Result<>> probe(PciDev&) override { co_return linux::Result<>(); }
  Co<> remove(PciDev&) override { co_return; }

 private:
  std::string name_;
};

struct Seen {
  int preserved = -1;
  PhysAddr block;  // of records
  std::array<std::uint8_t, 88> bytes{};
  std::string override;
  std::optional<linux::pci::DataFormat> format;
  std::string panic;
};

Co<> hand_over(LuoKernel& kernel, Seen& seen, std::string name) {
  Pci pci(kernel);
  DeviceHandler handler(kernel, pci);
  CHECK(kernel.luo.register_handler(handler));
  CHECK(pci.live.register_flbs(handler));
  co_await pci.core.enumerate();
  co_await pci.core.assign_resources();
  PciBusType bus(kernel.services, pci.core);
  Owner owner(std::move(name));
  const auto registered = co_await bus.register_driver(owner);
  CHECK(registered);
  kernel.port.simulation().topic<linux::LedgerEntry>().subscribe(
      [&seen](const linux::LedgerEntry& entry) {
        const bool block = std::string_view(entry.what) == "baton-pci-driver-v1 block";
        if (block && entry.event == linux::LedgerEvent::kPreserved) seen.block = entry.pages.start;
      });
  const int session = co_await open_session(kernel, false);
  seen.preserved = co_await preserve(kernel, session, pci.at(kAccelerator), 1);
  if (seen.preserved != 0) co_return;
  co_await kexec(kernel, pci);
}

Co<> take_over(LuoKernel& kernel, Seen& seen) {
  Pci pci(kernel);
  co_await pci.live.begin_enumeration();
  co_await pci.core.enumerate();
  seen.override = pci.at(kAccelerator).driver_override;
  seen.format = pci.at(kAccelerator).handed_format;
  CHECK_FALSE(pci.at(kVirtio).handed_format);
}

// `damage`: of the record's bytes, once the first kernel is gone.
Seen run(DriverBindingPolicy first, DriverBindingPolicy second, std::string name = "vfio-pci",
         const std::function<void(std::span<std::uint8_t>)>& damage = {}) {
  Seen seen;
  WorldConfig config = switch_world();
  config.kernels.resize(2);
  config.kernels[0].policies.driver_binding = first;
  config.kernels[1].policies.driver_binding = second;
  World world({[&](LuoKernel& kernel) { return hand_over(kernel, seen, name); },
               [&](LuoKernel& kernel) { return take_over(kernel, seen); }},
              config);
  sim::Simulation& simulation = world.machine().simulation();
  simulation.topic<host::KernelJumped>().subscribe([&](const host::KernelJumped&) {
    if (seen.block == PhysAddr{}) return;
    constexpr std::uint64_t kBlockHead = 16;
    const auto bytes = std::as_writable_bytes(std::span(seen.bytes));
    world.machine().memory().read(seen.block + kBlockHead, bytes);
    std::array<std::uint8_t, 88> damaged = seen.bytes;
    if (damage) damage(damaged);
    world.machine().memory().write(seen.block + kBlockHead, std::as_bytes(std::span(damaged)));
  });
  world.run();
  seen.panic = world.panic();
  return seen;
}

}  // namespace

TEST_CASE("policy driver_binding saved-name: the driver's name is handed over and its override") {
  const Seen seen = run(DriverBindingPolicy::kSavedName, DriverBindingPolicy::kSavedName);
  CHECK(seen.panic == "");
  CHECK(seen.override == "vfio-pci");
  // Domain, address, in use, format, name.
  std::array<std::uint8_t, 88> expected{};
  expected[4] = static_cast<std::uint8_t>(kAccelerator.bdf.value());
  expected[5] = static_cast<std::uint8_t>(kAccelerator.bdf.value() >> 8);
  expected[6] = 1;
  expected[8] = 1;
  expected[9] = 2;
  expected[10] = 3;
  std::ranges::copy(std::string_view("vfio-pci"), expected.begin() + 24);
  CHECK(seen.bytes == expected);
}

TEST_CASE(
    "policy driver_binding guid: the format of what is handed over is known, no name is set") {
  const Seen seen = run(DriverBindingPolicy::kGuid, DriverBindingPolicy::kGuid);
  CHECK(seen.override == "");
  CHECK(seen.format == linux::pci::DataFormat{1, 2, 3});
}

TEST_CASE("a kernel whose predecessor wrote no driver records leaves functions to user space") {
  const Seen seen = run(DriverBindingPolicy::kFirstMatch, DriverBindingPolicy::kSavedName);
  CHECK(seen.block == PhysAddr{});
  CHECK(seen.panic == "");
  CHECK(seen.override == "");
  CHECK_FALSE(seen.format);
}

TEST_CASE("a driver whose name has no room in a record cannot hand a function over") {
  const Seen seen =
      run(DriverBindingPolicy::kSavedName, DriverBindingPolicy::kSavedName, std::string(64, 'n'));
  CHECK(seen.preserved == static_cast<int>(linux::Errno::kNoSpc));
}

TEST_CASE("driver records that no kernel writes stop the next one") {
  const auto panics = [](const std::function<void(std::span<std::uint8_t>)>& damage) {
    const Seen seen =
        run(DriverBindingPolicy::kSavedName, DriverBindingPolicy::kSavedName, "vfio-pci", damage);
    return seen.panic.find("baton-pci-driver-v1") != std::string::npos;
  };
  CHECK(panics([](std::span<std::uint8_t> record) { record[6] = 2; }));
  CHECK(panics([](std::span<std::uint8_t> record) { record[24] = 0; }));
  CHECK(panics([](std::span<std::uint8_t> record) { record[25] = '\n'; }));
  CHECK(panics([](std::span<std::uint8_t> record) {
    std::ranges::fill(record.subspan(24), std::uint8_t{'n'});
  }));
}
