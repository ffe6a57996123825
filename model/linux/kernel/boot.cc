// From the first instruction to init.
#include <fmt/format.h>

#include "model/kho/command_line.h"
#include "model/kho/early_kernel.h"
#include "model/linux/base/observations.h"
#include "model/linux/kernel/observations.h"
#include "model/linux/kernel/state.h"

namespace baton::linux {

namespace {

host::BootHandoff effective(host::BootHandoff handoff, const KernelConfig& config) {
  handoff.command_line = effective_command_line(config, handoff.command_line);
  return handoff;
}

// Is `word` in the list after `key`? Any list will do for an empty word.
bool has_word(std::string_view line, std::string_view key, std::string_view word) {
  for (std::size_t at = line.find(key); at != std::string_view::npos;
       at = line.find(key, at + key.size())) {
    if (at != 0 && line[at - 1] != ' ') continue;
    std::string_view list = line.substr(at + key.size());
    list = list.substr(0, list.find(' '));
    while (!list.empty() || word.empty()) {
      if (word.empty() || list.substr(0, list.find(',')) == word) return true;
      const std::size_t comma = list.find(',');
      if (comma == std::string_view::npos) break;
      list.remove_prefix(comma + 1);
    }
  }
  return false;
}

// Module parameters on the command line override how the kernel was configured.
KernelConfig with_parameters(KernelConfig config, const host::BootHandoff& handoff) {
  const std::string_view line = handoff.command_line;
  for (const std::string_view module : {"vfio-pci", "vfio_pci"}) {
    const std::string parameter = fmt::format("{}.disable_denylist", module);
    config.vfio_disable_denylist =
        kho::flag(line, parameter).value_or(config.vfio_disable_denylist);
  }
  // intel_iommu_setup(), setup_irqremap(): lists separated by commas.
  config.iommu_scalable = has_word(line, "intel_iommu=", "sm_on") ||
                          (config.iommu_scalable && !has_word(line, "intel_iommu=", "sm_off"));
  config.interrupt_remapping = config.interrupt_remapping && !has_word(line, "intremap=", "off");
  config.crash_kernel = config.crash_kernel || has_word(line, "elfcorehdr=", "");
  return config;
}

// An option of any pci= parameter [linux drivers/pci/pci.c pci_setup].
bool has_pci_option(std::string_view line, std::string_view option) {
  constexpr std::string_view kParameter = "pci=";
  while (!line.empty()) {
    const std::size_t end = line.find(' ');
    std::string_view word = line.substr(0, end);
    line = end == std::string_view::npos ? "" : line.substr(end + 1);
    if (!word.starts_with(kParameter)) continue;
    word.remove_prefix(kParameter.size());
    while (!word.empty()) {
      const std::size_t comma = word.find(',');
      if (word.substr(0, comma) == option) return true;
      word = comma == std::string_view::npos ? "" : word.substr(comma + 1);
    }
  }
  return false;
}

// How long it takes to write zeros to all of memory: 25 bytes in a nanosecond (assumed).
sim::Duration clearing_time(host::KernelPort& port) {
  constexpr std::uint64_t kBytesPerNanosecond = 25;
  std::uint64_t bytes = 0;
  for (const sim::PhysRange& range : kho::boot_ranges(port, std::nullopt)) bytes += range.length;
  return sim::Duration::nanoseconds(static_cast<std::int64_t>(bytes / kBytesPerNanosecond));
}

}  // namespace

std::string effective_command_line(const KernelConfig& config, const std::string& command_line) {
  std::string result = config.pieces.kho == KhoVersion::kOff ? "kho=off" : "kho=on";
  result += config.pieces.luo == LuoVersion::kOff ? " liveupdate=off" : " liveupdate=on";
  return command_line.empty() ? result : result + " " + command_line;
}

Kernel::State::State(Kernel& kernel, host::KernelPort& port, const host::BootHandoff& handoff,
                     const KernelConfig& config, Init init)
    : kernel_(kernel),
      port_(port),
      config_(with_parameters(config, handoff)),
      handoff_(effective(handoff, config)),
      init_(std::move(init)),
      handover_(config.pieces.kho == KhoVersion::kOff ? std::nullopt
                                                      : kho::populate(port, handoff_)),
      services_(port, config_, kho::boot_ranges(port, handover_)),
      kho_(services_, handoff_, handover_),
      luo_(services_, kho_, handoff_.command_line),
      pci_(services_),
      pci_live_update_(services_, kho_, luo_, pci_),
      irq_(services_),
      iommu_(services_, kho_, luo_),
      intel_iommu_(services_, kho_, iommu_),
      pci_bus_(services_, pci_),
      pcieport_(services_, pci_),
      vmd_(services_, pci_, pci_bus_),
      pci_pf_stub_(pci_),
      idxd_(services_, pci_, irq_),
      nvme_(services_, pci_, irq_),
      pci_lu_stub_(services_, kho_, luo_, pci_live_update_, pci_, drivers::LuStubKind::kFunction),
      pci_lu_stub_pf_(services_, kho_, luo_, pci_live_update_, pci_,
                      drivers::LuStubKind::kPhysical),
      memfd_(services_, kho_, luo_),
      iommufd_(services_, kho_, luo_, memfd_, iommu_),
      vfio_pci_(services_, kho_, luo_, pci_, pci_live_update_, irq_, iommufd_),
      sysfs_(*this) {}

void Kernel::State::enter(RunPhase phase) {
  const auto& topic = port_.simulation().topic<PhaseEntered>();
  if (topic.active()) {
    topic.publish({.generation = port_.generation(), .phase = phase});
  }
}

Co<> Kernel::State::pass(BootStage stage) {
  const BootStep& step = boot_step(stage);
  const auto& topic = port_.simulation().topic<BootStepEntered>();
  if (topic.active()) {
    topic.publish({.generation = port_.generation(), .step = step});
  }
  services_.print(sim::LogLevel::kDebug, "boot: {}", step.name);
  co_await services_.spend(step.duration);
}

Co<> Kernel::State::boot() {
  enter(RunPhase::kBoot);
  services_.print(sim::LogLevel::kInfo, "Linux {} booting, {}; command line: {}", config_.preset,
                  handoff_.cold ? "cold" : "by kexec", handoff_.command_line);
  port_.set_console_handler([this](const std::string& line) {
    console_lines_.push_back(line);
    console_waiters_.wake_one();
  });
  co_await bring_up_memory();
  co_await bring_up_pci();
  co_await bring_up_iommu();
  co_await bring_up_drivers();
  co_await bring_up_late();
  co_await pass(BootStage::kUserSpace);
  enter(RunPhase::kRun);
  Co<> user_space = init_(kernel_);
  co_await std::move(user_space);
}

// setup_arch(), mm_core_init(), smp_init().
Co<> Kernel::State::bring_up_memory() {
  co_await pass(BootStage::kEarlySetup);
  co_await pass(BootStage::kMemory);
  const auto blocks = static_cast<std::int64_t>(kho_.memory_init());
  co_await services_.spend(kho::kWalkPerBlock * blocks);
  services_.pages().release_all(!handoff_.cold);
  if (services_.has(Defect::kMmInitOnFree)) co_await services_.spend(clearing_time(port_));
  irq_.init();
  // enable_IR_x2apic(), before the other CPUs.
  intel_iommu_.set_interrupts(irq_);
  const std::string& line = handoff_.command_line;
  if (has_word(line, "intel_iommu=", "off") || has_word(line, "iommu=", "off")) {
    intel_iommu_.turn_off();
  }
  intel_iommu_.set_pci(pci_);
  iommu_.set_pci(pci_);
  // Tables that were handed over are needed before LUO's own turn comes.
  const bool early = config_.policies.interrupt_table == InterruptTablePolicy::kPreserve;
  if (early) luo_.early_init();
  intel_iommu_.set_live_update(luo_);
  co_await intel_iommu_.init_interrupt_remapping();
  co_await pass(BootStage::kSmp);
  co_await pass(BootStage::kEarlyInitcalls);
  if (!early) luo_.early_init();
}

// acpi_init() [subsys_initcall], kho_init() [fs_initcall].
Co<> Kernel::State::bring_up_pci() {
  co_await pass(BootStage::kPciEnumeration);
  if (config_.pieces.pci != PciLiveUpdate::kNone) {
    pci_.set_live_update(&pci_live_update_);
    co_await pci_live_update_.begin_enumeration();
  } else {
    pci_.set_live_update(nullptr);
  }
  pci_.set_assign_busses(has_pci_option(handoff_.command_line, "assign-busses"));
  pci_.set_realloc(has_pci_option(handoff_.command_line, "realloc"));
  if (intel_iommu_.present()) pci_.request_acs();
  pci_.set_no_ari(has_pci_option(handoff_.command_line, "noari"));
  co_await pci_.enumerate();
  co_await pass(BootStage::kFsInitcalls);
  co_await pci_.assign_resources();
  const Result<> kho = kho_.init();
  if (!kho) {
    services_.print(sim::LogLevel::kWarning, "kho_init failed: {}", name(kho.error()));
  }
}

// intel_iommu_init() [rootfs_initcall]: units first, then every function finds its domain.
Co<> Kernel::State::bring_up_iommu() {
  co_await pass(BootStage::kIommu);
  if (config_.pieces.iommu != IommuLiveUpdate::kNone) {
    co_await iommu_.begin_boot();
  }
  if (config_.policies.interrupt_replay == InterruptReplay::kBeforeIommu) irq_.replay_noted();
  co_await intel_iommu_.init();
  co_await pass(BootStage::kIommuAttach);
  for (pci::PciDev* dev : pci_.devices()) {
    if (intel_iommu_.present()) co_await pci_.enable_acs(*dev);
    const Result<> probed = co_await iommu_.probe_device(*dev);
    dev->grouped = probed.has_value();
    if (!probed && probed.error() != Errno::kNoDev) {
      services_.print(sim::LogLevel::kWarning, "pci {}: no IOMMU group: {}",
                      sim::to_string(dev->address), name(probed.error()));
    }
  }
  co_await intel_iommu_.enable_translation();
}

// pci_bus_add_device() of a virtual function: IOMMU group, then the driver that matches. It may
// come back, in the group that it had.
Co<> Kernel::State::add_virtual_function(pci::PciDev& dev) {
  if (!dev.grouped) {
    const Result<> probed = co_await iommu_.probe_device(dev);
    dev.grouped = probed.has_value();
    if (!probed && probed.error() != Errno::kNoDev) {
      services_.print(sim::LogLevel::kWarning, "pci {}: no IOMMU group: {}",
                      sim::to_string(dev.address), name(probed.error()));
    }
  }
  static_cast<void>(co_await pci_bus_.probe_any(dev));
}

Co<> Kernel::State::remove_virtual_function(pci::PciDev& dev) {
  if (dev.driver != nullptr) static_cast<void>(co_await pci_bus_.unbind(*dev.driver, dev));
}

// device_initcall: drivers in link order, each probes what it matches.
Co<> Kernel::State::bring_up_drivers() {
  co_await pass(BootStage::kDrivers);
  pci_bus_.set_dma_hooks([this](pci::PciDev& dev) { return iommu_.use_default_domain(dev); },
                         [this](pci::PciDev& dev) { iommu_.unuse_default_domain(dev); });
  pci_.set_virtual_function_hooks(
      [this](pci::PciDev& dev) { return add_virtual_function(dev); },
      [this](pci::PciDev& dev) { return remove_virtual_function(dev); });
  pcieport_.set_interrupts(
      {.request = [this](pci::PciDev& dev,
                         std::function<void()> handler) -> Result<pci::PciePort::Interrupt> {
         const auto irq = irq_.request(std::move(handler), dev);
         if (!irq) return fail(irq.error());
         return pci::PciePort::Interrupt{{irq->message.address, irq->message.data}, irq->vector};
       },
       .free = [this](CpuVector vector) { irq_.free(vector); }});
  const Result<> registered = co_await pci_bus_.register_driver(pcieport_);
  BATON_CHECK(registered.has_value(), "pcieport is registered twice");
  const Result<> vmd = co_await pci_bus_.register_driver(vmd_);
  BATON_CHECK(vmd.has_value(), "vmd is registered twice");
  const Result<> stub = co_await pci_bus_.register_driver(pci_pf_stub_);
  BATON_CHECK(stub.has_value(), "pci-pf-stub is registered twice");
  if (config_.idxd) {
    const Result<> idxd = co_await pci_bus_.register_driver(idxd_);
    BATON_CHECK(idxd.has_value(), "idxd is registered twice");
  }
  if (config_.nvme) {
    const Result<> nvme = co_await pci_bus_.register_driver(nvme_);
    BATON_CHECK(nvme.has_value(), "nvme is registered twice");
  }
}

// late_initcall: LUO, then the subsystems that register their handlers with it.
Co<> Kernel::State::bring_up_late() {
  co_await pass(BootStage::kLateInitcalls);
  co_await luo_.late_init();
  if (config_.pieces.memfd != MemfdVersion::kNone) {
    memfd_.init(handoff_.command_line);
  }
  iommufd_.init();
  vfio_pci_.init();
  if (config_.pci_lu_stub) {
    for (drivers::PciLuStub* stub : {&pci_lu_stub_, &pci_lu_stub_pf_}) {
      stub->init();
      const Result<> lu_stub = co_await pci_bus_.register_driver(*stub);
      BATON_CHECK(lu_stub.has_value(), "pci-lu-stub is registered twice");
    }
  }
  if (const Result<> tables = intel_iommu_.register_flb(vfio_pci_); !tables) {
    services_.print(sim::LogLevel::kWarning, "DMAR-IR: tables cannot be handed over: {}",
                    name(tables.error()));
  }
  for (const std::string_view parameter : {"vfio-pci.enable_sriov", "vfio_pci.enable_sriov"}) {
    if (kho::flag(handoff_.command_line, parameter).value_or(false)) vfio_pci_.allow_sriov();
  }
  const Result<> registered = co_await pci_bus_.register_driver(vfio_pci_);
  BATON_CHECK(registered.has_value(), "vfio-pci is registered twice");
}

// The public face.

Kernel::Kernel(host::KernelPort& port, const host::BootHandoff& handoff, const KernelConfig& config,
               Init init)
    : state_(std::make_unique<State>(*this, port, handoff, config, std::move(init))) {}

Kernel::~Kernel() = default;

void Kernel::start() { state_->services_.spawn(state_->boot()); }

KernelServices& Kernel::services() { return state_->services_; }

Process& Kernel::create_process(std::string name) {
  State& state = *state_;
  state.processes_.push_back(std::make_unique<Process>(state.port_, state.services_.pages(),
                                                       state.services_.files(), std::move(name)));
  return *state.processes_.back();
}

Co<std::string> Kernel::console_line() {
  State& state = *state_;
  sim::Context& context = state.port_.context();
  while (state.console_lines_.empty()) {
    sim::WaitNode node(context, context.actor(), "console");
    co_await state.console_waiters_.wait(context, node);
  }
  std::string line = std::move(state.console_lines_.front());
  state.console_lines_.pop_front();
  co_return line;
}

}  // namespace baton::linux
