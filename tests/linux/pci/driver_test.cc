// Services of drivers, and how drivers find their functions [linux drivers/pci/pci.c, msi/msi.c,
// pci-driver.c; drivers/base/dd.c].
#include "model/pci/observations.h"
#include "tests/linux/pci/pci_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;
using linux::pci::Driver;
using linux::pci::PciBusType;

class TestDriver final : public Driver {
 public:
  explicit TestDriver(std::string name, std::uint16_t device = 0)
      : name_(std::move(name)), device_(device) {}
  std::string_view name() const override { return name_; }
  bool matches(const PciDev& dev) const override { return dev.device == device_; }
  bool driver_managed_dma() const override { return managed; }
  linux::pci::DataFormat data_format() const override { return format; }
  Co<linux::Result<>> probe(PciDev& dev) override {
    calls.push_back("probe " + to_string(dev.address.bdf));
    if (fails) co_return linux::fail(Errno::kIo);
    co_return linux::Result<>();
  }
  Co<> remove(PciDev& dev) override {
    calls.push_back("remove " + to_string(dev.address.bdf));
    co_return;
  }
  std::vector<std::string> calls;
  bool fails = false;
  bool managed = false;
  linux::pci::DataFormat format{};

 private:
  std::string name_;
  std::uint16_t device_;
};

linux::Result<> refuse(PciDev&) { return linux::fail(Errno::kBusy); }

Co<> services_of_drivers(LuoKernel& kernel) {
  Pci pci(kernel);
  co_await pci.core.enumerate();
  co_await pci.core.assign_resources();
  PciDev& accelerator = pci.at(kAccelerator);
  CHECK(config_of(kernel, kAccelerator, 4, 2) == 0);
  CHECK(pci.core.enable_device(accelerator));
  CHECK(config_of(kernel, kAccelerator, 4, 2) == 2);
  pci.core.set_master(accelerator);
  CHECK(config_of(kernel, kAccelerator, 4, 2) == 6);

  // The bridges above a function are enabled before it.
  for (const Sbdf& bridge : kVirtioPath) {
    kernel.port.config_write(bridge, 4, 2, 0x100, "test");
  }
  CHECK(pci.core.enable_device(pci.at(kVirtio)));
  for (std::size_t i = 1; i < kVirtioPath.size(); ++i) {
    CHECK((config_of(kernel, kVirtioPath[i], 4, 2) & 6) == 6);
  }
  CHECK((config_of(kernel, kVirtio, 4, 2) & 6) == 2);

  PciDev nowhere;
  nowhere.address = kNvme;
  nowhere.bus = pci.at(kNvme).bus;
  nowhere.resources[0].size = 4096;
  const auto unassigned = pci.core.enable_device(nowhere);
  CHECK(unassigned.error() == Errno::kInval);

  const std::array<PciCore::MsiMessage, 2> messages = {{{0xFEE00000, 0x30}, {0xFEE01000, 0x31}}};
  CHECK(pci.core.enable_msix(accelerator, messages));
  CHECK(config_of(kernel, kAccelerator, 0x82, 2) == 0x8008);
  const PhysAddr table = accelerator.resources[0].start + 0x2000;
  CHECK(kernel.port.mmio_read(table + 16, 4) == 0xFEE01000);
  CHECK(kernel.port.mmio_read(table + 28, 4) == 0);
  CHECK(kernel.port.mmio_read(table + 32 + 12, 4) == 1);
  const auto twice = pci.core.enable_msix(accelerator, messages);
  CHECK(twice.error() == Errno::kInval);
  pci.core.disable_msix(accelerator);
  CHECK(config_of(kernel, kAccelerator, 0x82, 2) == 8);
  const std::array<PciCore::MsiMessage, 10> many{};
  const auto too_many = pci.core.enable_msix(accelerator, many);
  CHECK(too_many.error() == Errno::kRange);

  const auto reset = co_await pci.core.reset_function(accelerator);
  CHECK(reset);
  CHECK(config_of(kernel, kAccelerator, 4, 2) == 6);
  CHECK(config_of(kernel, kAccelerator, 0x10, 4) ==
        (static_cast<std::uint32_t>(accelerator.resources[0].start.value()) | 0xC));
  const auto without = co_await pci.core.reset_function(pci.at({0, Bdf(0, 0, 0)}));
  CHECK(without.error() == Errno::kNoTty);

  pci.core.disable_device(accelerator);
  CHECK(config_of(kernel, kAccelerator, 4, 2) == 2);
}

Co<> binding(LuoKernel& kernel) {
  Pci pci(kernel);
  co_await pci.core.enumerate();
  co_await pci.core.assign_resources();
  PciBusType bus(kernel.services, pci.core);
  TestDriver idxd("idxd", 0x0B25);
  TestDriver plain("plain");
  plain.managed = true;
  PciDev& dev = pci.at(kAccelerator);
  const auto first = co_await bus.register_driver(idxd);
  CHECK(first);
  CHECK(idxd.calls == std::vector<std::string>{"probe 6a:01.0"});
  CHECK(dev.driver == &idxd);
  const auto again = co_await bus.register_driver(idxd);
  CHECK(again.error() == Errno::kExist);
  const auto registered = co_await bus.register_driver(plain);
  CHECK(registered);

  const auto no_match = co_await bus.bind(plain, dev);
  CHECK(no_match.error() == Errno::kNoDev);
  CHECK(bus.set_driver_override(dev, "plain"));
  const auto busy = co_await bus.bind(plain, dev);
  CHECK(busy.error() == Errno::kBusy);
  const auto not_bound = co_await bus.unbind(plain, dev);
  CHECK(not_bound.error() == Errno::kNoDev);
  const auto unbound = co_await bus.unbind(idxd, dev);
  CHECK(unbound);
  CHECK(dev.driver == nullptr);

  // An override excludes every other driver, its id table or not.
  const auto overridden = co_await bus.bind(idxd, dev);
  CHECK(overridden.error() == Errno::kNoDev);
  const auto bound = co_await bus.bind(plain, dev);
  CHECK(bound);
  const auto released = co_await bus.unbind(plain, dev);
  CHECK(released);

  // A group owned by user space is no place for a driver that uses the default domain.
  bus.set_dma_hooks(refuse, [](PciDev&) {});
  CHECK(bus.set_driver_override(dev, ""));
  const auto owned = co_await bus.bind(idxd, dev);
  CHECK(owned.error() == Errno::kBusy);
  bus.set_dma_hooks({}, {});
  idxd.fails = true;
  const auto failed = co_await bus.bind(idxd, dev);
  CHECK(failed.error() == Errno::kIo);
  CHECK(dev.driver == nullptr);
  const auto nobody = co_await bus.probe_any(dev);
  CHECK(nobody.error() == Errno::kInval);
  idxd.fails = false;
  const auto somebody = co_await bus.probe_any(dev);
  CHECK(somebody);
  CHECK(dev.driver == &idxd);
}

Co<> dynamic_ids(LuoKernel& kernel) {
  Pci pci(kernel);
  co_await pci.core.enumerate();
  PciBusType bus(kernel.services, pci.core);
  TestDriver plain("plain");
  PciDev& dev = pci.at(kAccelerator);
  const auto registered = co_await bus.register_driver(plain);
  CHECK(registered);
  CHECK(dev.driver == nullptr);
  const auto added = co_await bus.new_id(plain, 0x8086, 0x0B25);
  CHECK(added);
  CHECK(dev.driver == &plain);
  const auto twice = co_await bus.new_id(plain, 0x8086, 0x0B25);
  CHECK(twice.error() == Errno::kExist);
  CHECK(bus.remove_id(plain, 0x8086, 0x0B25));
  CHECK(bus.remove_id(plain, 0x8086, 0x0B25).error() == Errno::kNoDev);
  const auto unbound = co_await bus.unbind(plain, dev);
  CHECK(unbound);
  const auto no_match = co_await bus.bind(plain, dev);
  CHECK(no_match.error() == Errno::kNoDev);
}

std::string methods_of(Pci& pci, Sbdf address) {
  std::string names;
  for (const auto method : pci.core.reset_methods(pci.at(address))) {
    names += std::string(names.empty() ? "" : " ") + std::string(linux::pci::name(method));
  }
  return names;
}

Co<> reset_ways(LuoKernel& kernel) {
  const Sbdf plain{0, Bdf(3, 0, 0)};  // no PCI Express capability, alone below a switch port
  const Sbdf port{0, Bdf(2, 0, 0)};
  Pci pci(kernel);
  co_await pci.core.enumerate();
  co_await pci.core.assign_resources();
  CHECK(methods_of(pci, kAccelerator) == "flr");
  CHECK(methods_of(pci, plain) == "bus");
  CHECK_FALSE(methods_of(pci, port).contains("bus"));  // it leads to a bus itself
  CHECK(methods_of(pci, {0, Bdf(0, 0, 0)}).empty());

  const std::uint32_t bar = config_of(kernel, plain, 0x10, 4);
  const std::uint32_t command = config_of(kernel, plain, 0x04, 2);
  CHECK(bar != 0);
  const auto reset = co_await pci.core.reset_function(pci.at(plain));
  CHECK(reset);
  CHECK(config_of(kernel, plain, 0x10, 4) == bar);
  CHECK(config_of(kernel, plain, 0x04, 2) == command);
}

Co<> ports(LuoKernel& kernel) {
  Pci pci(kernel);
  co_await pci.core.enumerate();
  co_await pci.core.assign_resources();
  PciBusType bus(kernel.services, pci.core);
  linux::pci::PciePort port(kernel.services, pci.core);
  const auto registered = co_await bus.register_driver(port);
  CHECK(registered);
  for (std::size_t i = 1; i < kVirtioPath.size(); ++i) {
    CHECK(pci.at(kVirtioPath[i]).driver == &port);
    CHECK((config_of(kernel, kVirtioPath[i], 4, 2) & 4) == 4);
  }
  CHECK(pci.at(kVirtio).driver == nullptr);
}

// A function that was handed over, and a driver that matches it.
Co<> running_devices(LuoKernel& kernel, bool by_itself, bool by_bind, bool by_override) {
  Pci pci(kernel);
  co_await pci.core.enumerate();
  PciBusType bus(kernel.services, pci.core);
  TestDriver driver("native", 0x0B25);
  PciDev& dev = pci.at(kAccelerator);
  dev.from_previous.commit(linux::pci::IncomingEvent::kFound);
  const auto registered = co_await bus.register_driver(driver);
  CHECK(registered);
  CHECK((dev.driver == &driver) == by_itself);
  if (by_itself) co_return;
  const auto asked = co_await bus.bind(driver, dev);
  CHECK(asked.has_value() == by_bind);
  if (by_bind) co_return;
  CHECK(asked.error() == Errno::kNoDev);
  CHECK(bus.set_driver_override(dev, "native"));
  const auto named = co_await bus.bind(driver, dev);
  CHECK(named.has_value() == by_override);
}

void run_binding(linux::DriverBindingPolicy policy, bool by_itself, bool by_bind,
                 bool by_override) {
  WorldConfig config = switch_world();
  config.kernels[0].policies.driver_binding = policy;
  World world(
      {[=](LuoKernel& kernel) { return running_devices(kernel, by_itself, by_bind, by_override); }},
      config);
  world.run();
  CHECK(world.completed(0));
}

// A function that was handed over with a format, a native driver that matches it and knows nothing,
// and one that matches nothing and knows the format. Who has it by itself, and then by a bind of
// the native one?
struct Bound {
  std::string by_itself;
  std::string by_bind;
};
Co<> bind_by_format(LuoKernel& kernel, Bound& bound) {
  Pci pci(kernel);
  co_await pci.core.enumerate();
  PciBusType bus(kernel.services, pci.core);
  TestDriver native("native", 0x0B25);
  TestDriver knowing("knowing");
  knowing.format[0] = 7;
  PciDev& dev = pci.at(kAccelerator);
  dev.from_previous.commit(linux::pci::IncomingEvent::kFound);
  dev.handed_format = knowing.format;
  const auto first = co_await bus.register_driver(native);
  const auto second = co_await bus.register_driver(knowing);
  CHECK(first);
  CHECK(second);
  bound.by_itself = dev.driver == nullptr ? "" : dev.driver->name();
  if (dev.driver != nullptr) {
    const auto unbound = co_await bus.unbind(*dev.driver, dev);
    CHECK(unbound);
  }
  const auto asked = co_await bus.bind(native, dev);
  bound.by_bind = asked ? "native" : linux::name(asked.error());
  // Finished: a function like any other.
  dev.from_previous.commit(linux::pci::IncomingEvent::kLastReference);
  if (!asked) {
    const auto later = co_await bus.bind(native, dev);
    CHECK(later);
  }
}

Bound run_formats(linux::DriverBindingPolicy policy) {
  WorldConfig config = switch_world();
  config.kernels[0].policies.driver_binding = policy;
  Bound bound;
  World world({[&bound](LuoKernel& kernel) { return bind_by_format(kernel, bound); }}, config);
  world.run();
  CHECK(world.completed(0));
  return bound;
}

}  // namespace

TEST_CASE("policy driver_binding first-match: a running device goes to the first driver") {
  run_binding(linux::DriverBindingPolicy::kFirstMatch, true, true, true);
}

TEST_CASE("policy driver_binding userspace-preserved: a running device waits for a bind") {
  run_binding(linux::DriverBindingPolicy::kUserspacePreserved, false, true, true);
}

TEST_CASE("policy driver_binding driver-override: a running device waits for its driver's name") {
  run_binding(linux::DriverBindingPolicy::kDriverOverride, false, false, true);
}

TEST_CASE("policy driver_binding guid: the driver that knows the format has it by itself") {
  const Bound bound = run_formats(linux::DriverBindingPolicy::kGuid);
  CHECK(bound.by_itself == "knowing");
  CHECK(bound.by_bind == "ENODEV");
}

TEST_CASE("policy driver_binding refuse-incompatible: the probe of a driver without it fails") {
  const Bound bound = run_formats(linux::DriverBindingPolicy::kRefuseIncompatible);
  CHECK(bound.by_itself == "");  // the one that knows it does not match
  CHECK(bound.by_bind == "ENODEV");
}

TEST_CASE("policy driver_binding first-match: formats do not matter") {
  const Bound bound = run_formats(linux::DriverBindingPolicy::kFirstMatch);
  CHECK(bound.by_itself == "native");
  CHECK(bound.by_bind == "native");
}

TEST_CASE("functions are enabled, reset and given interrupts through the PCI core") {
  World world({services_of_drivers}, switch_world());
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("drivers bind as the driver core's rules say, with their errors") {
  World world({binding}, switch_world());
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("the port driver keeps every bridge enabled and bus master") {
  World world({ports}, switch_world());
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("an id given at run time makes a driver match, and taken away it does not") {
  World world({dynamic_ids}, switch_world());
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("a function without FLR is reset through its bus, with its state restored") {
  unsigned resets = 0;
  std::vector<std::string> control;
  World world({reset_ways}, switch_world());
  world.machine().simulation().topic<pci::FunctionReset>().subscribe(
      [&](const pci::FunctionReset&) { ++resets; });
  world.machine().simulation().topic<host::ConfigAccess>().subscribe(
      [&](const host::ConfigAccess& access) {
        if (access.write && std::string_view(access.by) == "pci_reset_secondary_bus") {
          control.push_back(fmt::format("{} {:x}", to_string(access.address.bdf), access.value));
        }
      });
  world.run();
  CHECK(world.completed(0));
  CHECK(resets == 1);
  CHECK(control == std::vector<std::string>{"02:00.0 42", "02:00.0 2"});
}
