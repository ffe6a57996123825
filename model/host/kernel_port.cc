#include "model/host/kernel_port.h"

#include <fmt/format.h>

#include "model/host/firmware_setup.h"
#include "model/host/machine.h"
#include "model/host/observations.h"

namespace baton::host {

KernelPort::KernelPort(Machine& machine, unsigned generation)
    : machine_(machine),
      generation_(generation),
      context_(std::make_unique<sim::Context>(machine.simulation(),
                                              fmt::format("kernel{}", generation))),
      config_accesses_(machine.simulation().topic<ConfigAccess>()) {}

KernelPort::~KernelPort() = default;

Machine& KernelPort::live() {
  BATON_CHECK(!revoked_, "a dead kernel touches the hardware");
  return machine_;
}

sim::Context& KernelPort::context() {
  live();
  return *context_;
}

sim::Simulation& KernelPort::simulation() { return live().simulation(); }

sim::Time KernelPort::now() { return live().simulation().now(); }

sim::PhysicalMemory& KernelPort::ram() { return live().memory(); }

const MemoryMap& KernelPort::memory_map() { return live().memory_map(); }

std::vector<HostBridgeInfo> KernelPort::host_bridges() {
  return baton::host::host_bridges(live().fabric(), live().memory_map());
}

sim::Duration KernelPort::config_access_time() { return live().timing().cpu_config_access; }

std::uint32_t KernelPort::config_read(Sbdf address, std::uint16_t offset, unsigned width,
                                      const char* by) {
  const std::uint32_t value = live().fabric().config_read(address, offset, width);
  if (config_accesses_.active()) {
    config_accesses_.publish({.generation = generation_,
                              .address = address,
                              .offset = offset,
                              .width = width,
                              .write = false,
                              .value = value,
                              .old_value = value,
                              .by = by});
  }
  return value;
}

void KernelPort::config_write(Sbdf address, std::uint16_t offset, unsigned width,
                              std::uint32_t value, const char* by) {
  pci::Fabric& fabric = live().fabric();
  if (config_accesses_.active()) {
    const pci::Function* function = fabric.find(address);
    const std::uint32_t old_value =
        function != nullptr ? function->config().read(offset, width) : 0xFFFF'FFFF;
    config_accesses_.publish({.generation = generation_,
                              .address = address,
                              .offset = offset,
                              .width = width,
                              .write = true,
                              .value = value,
                              .old_value = old_value,
                              .by = by});
  }
  fabric.config_write(address, offset, width, value);
}

std::uint64_t KernelPort::mmio_read(PhysAddr address, unsigned width) {
  return live().cpu_read(address, width);
}

void KernelPort::mmio_write(PhysAddr address, unsigned width, std::uint64_t value) {
  live().cpu_write(address, width, value);
}

void KernelPort::mmio_write_64bytes(PhysAddr address, std::span<const std::byte> bytes) {
  BATON_CHECK(bytes.size() == 64 && address.value() % 64 == 0, "MOVDIR64B moves 64 aligned bytes");
  live().fabric().cpu_write(address, bytes);
}

unsigned KernelPort::cpus() { return live().cpus(); }

void KernelPort::set_interrupt_handler(InterruptHandler handler) {
  live();
  interrupt_handler_ = std::move(handler);
}

void KernelPort::leave_core(GuestCoreLoop loop) { live().leave_core(std::move(loop)); }

void KernelPort::take_core(std::string_view vm) { live().take_core(vm); }

void KernelPort::set_console_handler(std::function<void(const std::string&)> handler) {
  Machine& machine = live();
  console_handler_ = std::move(handler);
  machine.offer_console_lines();
}

void KernelPort::request_jump(KexecImage image) { live().request_jump(std::move(image)); }

void KernelPort::request_cold_reboot(std::size_t kernel, std::string command_line) {
  live().request_cold_reboot(kernel, std::move(command_line));
}

void KernelPort::halt(std::string reason) {
  live().halt(std::move(reason));
  context_->halt();
}

void KernelPort::revoke() {
  revoked_ = true;
  interrupt_handler_ = nullptr;
  console_handler_ = nullptr;
  context_->die();
}

bool KernelPort::interrupt(std::uint32_t cpu, Vector vector) {
  if (revoked_ || !interrupt_handler_) {
    return false;
  }
  interrupt_handler_(cpu, vector);
  return true;
}

bool KernelPort::console_line(const std::string& line) {
  if (revoked_ || !console_handler_) {
    return false;
  }
  console_handler_(line);
  return true;
}

}  // namespace baton::host
