#include "model/host/machine.h"

#include <utility>

#include "model/host/observations.h"
#include "model/host/platform.h"

namespace baton::host {

class Machine::State {
 public:
  State(Machine& machine, sim::Simulation& simulation, const MachineConfig& config)
      : machine_(machine),
        simulation_(simulation),
        platform_(simulation, machine, config),
        actor_(simulation.add_actor("machine")),
        end_event_(*this, actor_, "kernel ends", sim::Phase::kSoftware),
        boot_event_(*this, actor_, "kernel starts", sim::Phase::kSoftware),
        console_event_(*this, actor_, "console", sim::Phase::kSoftware),
        jumps_(simulation.topic<KernelJumped>()),
        cold_reboots_(simulation.topic<ColdRebooted>()),
        halts_(simulation.topic<KernelHalted>()),
        starts_(simulation.topic<KernelStarted>()) {}

  ~State() { kill(); }

  void power_on(SoftwareFactory factory, std::string command_line);
  void request_jump(KexecImage image);
  void request_cold_reboot(std::size_t kernel, std::string command_line);
  void request_halt(std::string reason);

  void type(std::string line) {
    console_.push_back(std::move(line));
    offer_console_lines();
  }
  void offer_console_lines() {
    if (!console_.empty() && !console_event_.scheduled()) {
      simulation_.schedule(console_event_, sim::Duration());
    }
  }

  Machine& machine_;
  sim::Simulation& simulation_;
  Platform platform_;

  std::vector<std::unique_ptr<GuestCore>> guest_cores_;

  // The kernel that runs, or the one that comes next.
  SoftwareFactory factory_;
  unsigned generation_ = 0;
  bool halted_ = false;
  std::function<void(unsigned)> between_kernels_;
  std::unique_ptr<KernelPort> port_;
  std::unique_ptr<Software> software_;

 private:
  enum class Ending { kNone, kJump, kColdReboot, kHalt };

  bool claim_ending(Ending ending);
  void end_kernel();
  void kill();
  void start_kernel();
  void console();

  sim::ActorId actor_;
  Ending ending_ = Ending::kNone;
  KexecImage image_;
  std::string halt_reason_;
  BootHandoff handoff_;
  std::size_t kernel_ = 0;
  std::vector<std::string> console_;

  sim::MemberEvent<&State::end_kernel> end_event_;
  sim::MemberEvent<&State::start_kernel> boot_event_;
  sim::MemberEvent<&State::console> console_event_;
  sim::Topic<KernelJumped>& jumps_;
  sim::Topic<ColdRebooted>& cold_reboots_;
  sim::Topic<KernelHalted>& halts_;
  sim::Topic<KernelStarted>& starts_;
};

void Machine::State::power_on(SoftwareFactory factory, std::string command_line) {
  BATON_CHECK(platform_.firmware_finished(), "power_on() comes after finish_firmware()");
  BATON_CHECK(!factory_, "a machine is powered on once");
  factory_ = std::move(factory);
  handoff_ = {
      .command_line = std::move(command_line), .segments = {}, .setup_data = {}, .cold = true};
  simulation_.schedule(boot_event_, sim::Duration());
}

// The life of kernels.

bool Machine::State::claim_ending(Ending ending) {
  if (ending_ != Ending::kNone) {
    return false;
  }
  ending_ = ending;
  simulation_.schedule(end_event_, sim::Duration());
  return true;
}

void Machine::State::request_jump(KexecImage image) {
  BATON_CHECK(port_ != nullptr, "a jump without a kernel");
  if (claim_ending(Ending::kJump)) {
    image_ = std::move(image);
  }
}

void Machine::State::request_cold_reboot(std::size_t kernel, std::string command_line) {
  BATON_CHECK(factory_ != nullptr, "a reboot of a machine that is off");
  if (claim_ending(Ending::kColdReboot)) {
    image_ = {.kernel = kernel,
              .command_line = std::move(command_line),
              .segments = {},
              .setup_data = {}};
  }
}

void Machine::State::request_halt(std::string reason) {
  if (claim_ending(Ending::kHalt)) {
    halt_reason_ = std::move(reason);
  }
}

// Death: the port is revoked and all frames destroyed, then the kernel's objects, then the port.
void Machine::State::kill() {
  if (port_ != nullptr) {
    port_->revoke();
    software_.reset();
    port_.reset();
  }
}

void Machine::State::end_kernel() {
  const Ending ending = std::exchange(ending_, Ending::kNone);
  const unsigned from = generation_;
  kill();
  if (ending == Ending::kHalt) {
    halted_ = true;
    halts_.publish({.generation = from, .reason = halt_reason_});
    return;
  }
  simulation_.cancel(boot_event_);
  halted_ = false;
  kernel_ = image_.kernel;
  ++generation_;
  if (ending == Ending::kJump) {
    handoff_ = {.command_line = image_.command_line,
                .segments = image_.segments,
                .setup_data = image_.setup_data,
                .cold = false};
    jumps_.publish({.from_generation = from, .to_generation = generation_, .image = image_});
    if (between_kernels_) between_kernels_(generation_);
    simulation_.schedule(boot_event_, platform_.config().timing.purgatory);
  } else {
    handoff_ = {
        .command_line = image_.command_line, .segments = {}, .setup_data = {}, .cold = true};
    guest_cores_.clear();
    platform_.reset(generation_);
    cold_reboots_.publish({.from_generation = from, .to_generation = generation_});
    simulation_.schedule(boot_event_, platform_.config().timing.platform_reset);
  }
}

void Machine::State::start_kernel() {
  port_ = std::make_unique<KernelPort>(machine_, generation_);
  software_ = factory_(*port_, handoff_, kernel_);
  starts_.publish({.generation = generation_, .handoff = handoff_});
  software_->start();
}

void Machine::State::console() {
  if (port_ == nullptr) {
    return;
  }
  std::size_t taken = 0;
  while (taken < console_.size() && port_->console_line(console_[taken])) {
    ++taken;
  }
  console_.erase(console_.begin(), console_.begin() + static_cast<std::ptrdiff_t>(taken));
}

// The public face.

Machine::Machine(sim::Simulation& simulation, const MachineConfig& config)
    : state_(std::make_unique<State>(*this, simulation, config)) {
  state_->platform_.interrupts().set_receiver([this](std::uint32_t cpu, Vector vector) {
    return state_->port_ != nullptr && state_->port_->interrupt(cpu, vector);
  });
}

Machine::~Machine() = default;

sim::Simulation& Machine::simulation() { return state_->simulation_; }
sim::PhysicalMemory& Machine::memory() { return state_->platform_.memory(); }
pci::Fabric& Machine::fabric() { return state_->platform_.fabric(); }
const MemoryMap& Machine::memory_map() const { return state_->platform_.memory_map(); }
std::vector<ReservedRegionInfo> Machine::reserved_regions() const {
  return state_->platform_.reserved_regions();
}
unsigned Machine::cpus() const { return state_->platform_.config().cpus; }
const Timing& Machine::timing() const { return state_->platform_.config().timing; }

std::span<const std::unique_ptr<iommu_vtd::RemappingUnit>> Machine::iommus() const {
  return state_->platform_.units();
}

iommu_vtd::RemappingUnit* Machine::iommu_of(const pci::Function& function) {
  const Sbdf location = function.location();
  return state_->platform_.unit_of(location.segment, location.bdf);
}

std::expected<void, std::string> Machine::finish_firmware() {
  return state_->platform_.finish_firmware();
}

void Machine::power_on(SoftwareFactory factory, std::string command_line) {
  state_->power_on(std::move(factory), std::move(command_line));
}

void Machine::request_jump(KexecImage image) { state_->request_jump(std::move(image)); }

void Machine::request_cold_reboot(std::size_t kernel, std::string command_line) {
  state_->request_cold_reboot(kernel, std::move(command_line));
}

void Machine::halt(std::string reason) { state_->request_halt(std::move(reason)); }

void Machine::set_between_kernels(std::function<void(unsigned)> call) {
  state_->between_kernels_ = std::move(call);
}

void Machine::swap_segments(std::uint32_t one, std::uint32_t other) {
  state_->platform_.swap_segments(one, other);
}

unsigned Machine::generation() const { return state_->generation_; }
bool Machine::halted() const { return state_->halted_; }
KernelPort* Machine::port() { return state_->port_.get(); }

void Machine::leave_core(GuestCoreLoop loop) {
  state_->guest_cores_.push_back(
      std::make_unique<GuestCore>(state_->simulation_, fabric(), std::move(loop)));
}

void Machine::take_core(std::string_view vm) {
  std::erase_if(state_->guest_cores_, [vm](const auto& core) { return core->vm() == vm; });
}

void Machine::type(std::string line) { state_->type(std::move(line)); }
void Machine::offer_console_lines() { state_->offer_console_lines(); }

std::uint64_t Machine::cpu_read(PhysAddr address, unsigned width) {
  return state_->platform_.cpu_read(address, width);
}

void Machine::cpu_write(PhysAddr address, unsigned width, std::uint64_t value) {
  state_->platform_.cpu_write(address, width, value);
}

std::uint32_t Machine::port_read(std::uint16_t port, unsigned width) {
  return state_->platform_.config_ports().read(port, width);
}

void Machine::port_write(std::uint16_t port, unsigned width, std::uint32_t value) {
  state_->platform_.config_ports().write(port, width, value);
}

std::uint64_t Machine::orphan_interrupts() const {
  return state_->platform_.interrupts().orphans();
}

void Machine::page_request(const pci::PageRequest& request) {
  state_->platform_.page_request(request);
}

pci::Completion Machine::request(const pci::MemoryRequest& request, std::span<std::byte> data) {
  return state_->platform_.request(request, data);
}

}  // namespace baton::host
