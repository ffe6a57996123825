// The way down [linux kernel/kexec_core.c kernel_kexec, kernel/reboot.c kernel_restart, arch/x86/
// kernel/reboot.c native_machine_shutdown].
//
// Not modelled: reboot notifiers (none of baton's subsystems has one), CPU hotplug, the dump of the
// kernel log.
#include "model/linux/base/observations.h"
#include "model/linux/kernel/state.h"

namespace baton::linux {

// device_shutdown(), then machine_shutdown(): the local APIC is off before the IOMMUs are.
Co<> Kernel::State::shut_down() {
  co_await services_.spend(kDeviceShutdownTime);
  co_await pci_.shutdown();
  co_await services_.spend(kMachineShutdownTime);
  port_.set_interrupt_handler(nullptr);
  co_await intel_iommu_.shutdown();
}

Co<> Kernel::State::never() {
  sim::Context& context = port_.context();
  sim::WaitNode node(context, context.actor(), "reboot");
  co_await context.wait(node);
}

// kexec_file_load(): replaces the image that was loaded before.
Result<> Kernel::State::load_kexec_image(std::size_t kernel, std::string command_line) {
  if (kexec_locked_) {
    return fail(Errno::kBusy);
  }
  Result<host::KexecImage> image = kho_.load_image(kernel, std::move(command_line));
  if (!image) {
    return fail(image.error());
  }
  image_ = *std::move(image);
  return {};
}

Co<Result<>> Kernel::State::kexec() {
  if (kexec_locked_) {
    co_return fail(Errno::kBusy);
  }
  if (!image_) {
    co_return fail(Errno::kInval);
  }
  kexec_locked_ = true;
  const Result<> live_update = co_await luo_.reboot();
  if (!live_update) {
    kexec_locked_ = false;
    enter(RunPhase::kRun);  // the call returns to user space
    co_return live_update;
  }
  services_.print(sim::LogLevel::kInfo, "kexec_core: Starting new kernel");
  if (services_.has(Defect::kKexecHangInShutdown)) co_await never();
  co_await shut_down();
  enter(RunPhase::kKexec);
  port_.request_jump(*image_);
  co_await never();
  co_return Result<>{};
}

Co<> Kernel::State::restart(std::size_t kernel, std::string command_line) {
  services_.print(sim::LogLevel::kInfo, "reboot: Restarting system");
  co_await shut_down();
  port_.request_cold_reboot(kernel, std::move(command_line));
  co_await never();
}

}  // namespace baton::linux
