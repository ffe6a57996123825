#include "model/linux/base/kernel_services.h"

#include <optional>
#include <utility>

#include "sim/memory.h"

namespace baton::linux {

KernelServices::KernelServices(host::KernelPort& port, const KernelConfig& config,
                               std::vector<sim::PhysRange> boot_ranges)
    : port_(port),
      config_(config),
      name_(fmt::format("kernel{}", port.generation())),
      pages_(port, std::move(boot_ranges)) {}

Co<> KernelServices::spend(sim::Duration duration) {
  if (duration <= sim::Duration()) {
    co_return;
  }
  sim::Context& context = port_.context();
  sim::WaitNode node(context, context.actor(), "kernel-time");
  co_await context.sleep(node, duration);
}

void KernelServices::spawn(Co<> body) { port_.context().spawn(until_panic(std::move(body))); }

Co<> KernelServices::until_panic(Co<> body) {
  std::optional<PhysAddr> fault;
  try {
    co_await std::move(body);
  } catch (const Panic&) {
    // The machine has been told; this actor is over.
  } catch (const sim::BadAccess& access) {
    fault = access.address();
  }
  if (fault) {
    stop(
        fmt::format("unable to handle page fault for physical address {:#x}: kernel memory was "
                    "overwritten",
                    fault->value()));
  }
}

void KernelServices::stop(const std::string& reason) {
  print(sim::LogLevel::kError, "Kernel panic - not syncing: {}", reason);
  port_.halt(reason);
}

void KernelServices::panic(std::string reason) {
  stop(reason);
  throw Panic{std::move(reason)};
}

}  // namespace baton::linux
