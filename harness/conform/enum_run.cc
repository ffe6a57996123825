#include "harness/conform/enum_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "harness/conform/enum_host.h"
#include "model/host/machine.h"
#include "model/host/observations.h"
#include "model/kho/early_kernel.h"
#include "model/linux/pci/bus_type.h"
#include "model/linux/pci/pci_core.h"
#include "model/linux/pci/pcieport.h"
#include "sim/simulation.h"

namespace baton::harness {

namespace {

constexpr const char* kCommandLine = "kho=on kho_scratch=16M,16M,16M liveupdate=on";
constexpr std::uint64_t kMemory = std::uint64_t{256} << 20;
constexpr std::uint16_t kCommand = 0x04;
constexpr std::uint32_t kBusMaster = 0x0004;
constexpr std::uint64_t kMessageAddress = 0xFEE0'0000;
constexpr std::uint32_t kMessageData = 0x4021;

bool is_interrupt_link(const EnumAccess& access) {
  return access.function == Bdf(0, 0x1F, 0) && access.offset >= 0x60 && access.offset <= 0x6B;
}

// What both kernels of a run share.
struct Story {
  const EnumRecord* record = nullptr;
  const EnumVariant* variant = nullptr;
  host::Machine* machine = nullptr;
  EnumModelRun run;
  std::vector<EnumWrite>* now = nullptr;  // where the model's writes go
  std::string failure;

  // A write of the record, straight to the hardware. What was added at run time is there from the
  // first access to it on.
  void apply(const EnumAccess& access) {
    const Sbdf address{0, access.function};
    if (machine->fabric().find(address) == nullptr && !access.absent) {
      plug_in(machine->simulation(), machine->fabric(), *record, access.function.bus());
    }
    if (!access.write || access.absent) return;
    machine->fabric().config_write(address, access.offset, access.bytes, access.value);
  }

  void note_state(const std::string& name) {
    std::map<Bdf, std::vector<std::byte>>& state = run.states[name];
    for (const pci::Function* function : machine->fabric().functions()) {
      const auto bytes = function->config().bytes();
      state[function->location().bdf].assign(bytes.begin(), bytes.end());
    }
  }
};

// A driver that the record's kernel had and the model has not: at shutdown it does what it did.
class RecordedDriver final : public linux::pci::Driver {
 public:
  RecordedDriver(std::string name, Story& story, const EnumContext& shutdown)
      : name_(std::move(name)), story_(story), shutdown_(shutdown) {}

  std::string_view name() const override { return name_; }
  bool matches(const linux::pci::PciDev&) const override { return false; }
  Co<linux::Result<>> probe(linux::pci::PciDev&) override { co_return linux::Result<>(); }
  Co<> remove(linux::pci::PciDev&) override { co_return; }
  Co<> shutdown(linux::pci::PciDev&) override {
    std::optional<std::uint32_t> command;
    for (const EnumAccess& access : shutdown_.accesses) {
      if (!access.write || !binds("kexec_shutdown", shutdown_, access, command)) {
        story_.apply(access);
      }
      if (access.offset == kCommand) command = access.value;
    }
    co_return;
  }

 private:
  std::string name_;
  Story& story_;
  const EnumContext& shutdown_;
};

class EnumKernel final : public kho::EarlyKernel {
 public:
  EnumKernel(host::KernelPort& kernel_port, const host::BootHandoff& boot_handoff, Story& story)
      : EarlyKernel(kernel_port, boot_handoff, kernel_config()),
        story_(story),
        core_(services),
        bus_(services, core_),
        ports_(services, core_) {}

  void start() override { port.context().spawn(run()); }

 private:
  static linux::KernelConfig kernel_config() {
    linux::KernelConfig result;
    result.pieces.pci_core = linux::PciCoreVersion::kV6_1;
    return result;
  }

  const EnumPhase& phase(std::string_view name) const {
    return story_.record->phase(*story_.variant, name);
  }

  Co<> run() {
    try {
      bring_up_memory();
      static_cast<void>(kho.init());
      const bool cold = port.generation() == 0;
      core_.set_assign_busses(!cold && story_.variant->name == "assign");
      core_.set_realloc(!cold && story_.variant->name == "realloc");
      if (story_.record->acs_requested) core_.request_acs();
      co_await boot(cold ? "linux_cold_enum" : "linux_kexec_enum", cold ? 0 : 2);
      story_.note_state(cold ? "cold_kernel" : "kexec_kernel");
      co_await run_drivers(cold ? "linux_cold_drivers" : "linux_kexec_drivers");
      story_.note_state(cold ? "cold_drivers" : "kexec_drivers");
      if (cold) co_await leave();
    } catch (const linux::Panic& panic) {
      story_.failure = panic.reason;
    }
  }

  // The initcalls in the record's order: the PCI core's own are the model's, the others are input.
  Co<> boot(std::string_view name, std::size_t index) {
    story_.now = &story_.run.writes[index];
    for (const EnumContext& context : phase(name)) {
      const std::string_view word = context.word();
      if (word == "acpi_init" && core_.root_buses().empty()) {
        co_await core_.enumerate();
      } else if (word == "pcibios_assign_resources") {
        co_await core_.assign_resources();
      } else if (word == "pcie_portdrv_init" && bus_.find_driver(ports_.name()) == nullptr) {
        co_await start_ports();
      }
      for (const EnumAccess& access : context.accesses) {
        if (!access.write || binds(name, context, access, std::nullopt)) continue;
        story_.apply(access);
      }
    }
    if (core_.root_buses().empty()) co_await core_.enumerate();
  }

  Co<> start_ports() {
    ports_.set_interrupts(
        {.request = [](linux::pci::PciDev&,
                       std::function<void()>) -> linux::Result<linux::pci::PciePort::Interrupt> {
           return linux::pci::PciePort::Interrupt{{kMessageAddress, kMessageData}, Vector(0x21)};
         },
         .free = [](linux::CpuVector) {}});
    const auto registered = co_await bus_.register_driver(ports_);
    BATON_CHECK(registered.has_value(), "the port driver is registered twice");
  }

  // Drivers that are not modelled, and what came at run time: all input.
  Co<> run_drivers(std::string_view name) {
    std::vector<EnumWrite> ignored;
    story_.now = &ignored;
    for (const EnumContext& context : phase(name)) {
      for (const EnumAccess& access : context.accesses) {
        const bool there = port.config_read({0, access.function}, 0, 4, "record") != 0xFFFFFFFF;
        if (!there && !access.absent) {
          story_.apply(EnumAccess{access.function, false, 0, 4, 0, false});
          co_await add_at_run_time(access.function.bus());
        }
        story_.apply(access);
      }
    }
    if (port.generation() == 0) {
      for (const EnumContext& context : phase("kexec_shutdown")) note_driver(context);
    }
    std::vector<EnumWrite>* keep = &story_.run.writes[1];
    story_.now = keep;
  }

  // The kernel learns of the card as pciehp tells it. What it writes meanwhile is not compared: the
  // record's own writes follow.
  Co<> add_at_run_time(unsigned bus) {
    for (linux::pci::PciDev* dev : core_.devices()) {
      if (dev->subordinate == nullptr || dev->subordinate->number != bus) continue;
      static_cast<void>(co_await core_.hot_add(*dev));
      co_return;
    }
  }

  // "shutdown DRIVER 0000:BB:DD.F": which functions had a driver, or were enabled by one.
  void note_driver(const EnumContext& context) {
    const std::string_view word = context.word();
    const std::size_t colon = context.name.rfind("0000:");
    if (word != "shutdown" || colon == std::string::npos || context.accesses.empty()) return;
    const std::string driver = context.name.substr(word.size() + 1, colon - word.size() - 2);
    if (driver == ports_.name()) return;
    for (linux::pci::PciDev* dev : core_.devices()) {
      if ("0000:" + sim::to_string(dev->address.bdf) != context.name.substr(colon)) continue;
      const bool enabled = std::ranges::any_of(context.accesses, [&](const EnumAccess& access) {
        return access.function == dev->address.bdf && access.offset == kCommand;
      });
      for (linux::pci::PciDev* each = dev; enabled && each != nullptr;
           each = each->upstream_bridge()) {
        each->current_state = linux::pci::PowerState::kD0;
      }
      if (driver == "pci") continue;
      drivers_.push_back(std::make_unique<RecordedDriver>(driver, story_, context));
      dev->driver = drivers_.back().get();
    }
  }

  // kernel_kexec(), or panic() with a crash kernel loaded: then nothing is shut down.
  Co<> leave() {
    const bool orderly = std::ranges::any_of(
        phase("kexec_shutdown"),
        [](const EnumContext& context) { return context.word() == "shutdown"; });
    if (orderly) co_await core_.shutdown();
    co_await jump(kCommandLine);
  }

  Story& story_;
  linux::pci::PciCore core_;
  linux::pci::PciBusType bus_;
  linux::pci::PciePort ports_;
  std::vector<std::unique_ptr<RecordedDriver>> drivers_;
};

}  // namespace

bool binds(std::string_view phase, const EnumContext& context, const EnumAccess& access,
           std::optional<std::uint32_t> command) {
  if (!access.write || access.absent || is_interrupt_link(access)) return false;
  const std::string_view word = context.word();
  if (phase == "linux_cold_enum" || phase == "linux_kexec_enum") {
    constexpr std::array<std::string_view, 6> kOwn{"early",
                                                   "acpi_init",
                                                   "pci_subsys_init",
                                                   "pcibios_assign_resources",
                                                   "pci_apply_final_quirks",
                                                   "pcie_portdrv_init"};
    return std::ranges::find(kOwn, word) != kOwn.end();
  }
  if (phase != "kexec_shutdown" || word != "shutdown") return false;
  const std::string_view rest = std::string_view(context.name).substr(word.size() + 1);
  const std::string_view driver = rest.substr(0, rest.find(' '));
  if (driver == "pcieport" || driver == "pci") return true;
  return access.offset == kCommand && access.bytes == 2 && (access.value & kBusMaster) == 0 &&
         command.has_value() && (*command & kBusMaster) != 0;
}

std::expected<EnumModelRun, std::string> run_enumeration(const EnumRecord& record,
                                                         const EnumVariant& variant) {
  Story story;
  story.record = &record;
  story.variant = &variant;
  sim::Simulation simulation(1);
  simulation.topic<host::ConfigAccess>().subscribe([&story](const host::ConfigAccess& seen) {
    if (!seen.write || story.now == nullptr) return;
    story.now->push_back({seen.address.bdf, seen.offset, seen.width, seen.value});
  });
  host::MachineConfig config;
  config.memory = kMemory;
  config.iommu = false;
  host::Machine machine(simulation, config);
  story.machine = &machine;
  if (const auto built = build_enum_host(simulation, machine.fabric(), record); !built) {
    return std::unexpected(built.error());
  }
  if (const auto ready = machine.finish_firmware(); !ready) return std::unexpected(ready.error());
  machine.power_on(
      [&story](host::KernelPort& port, const host::BootHandoff& handoff,
               std::size_t) -> std::unique_ptr<host::Software> {
        return std::make_unique<EnumKernel>(port, handoff, story);
      },
      kCommandLine);
  simulation.run();
  if (!story.failure.empty()) return std::unexpected(story.failure);
  return std::move(story.run);
}

}  // namespace baton::harness
