#include "model/kho/early_kernel.h"

#include "sim/check.h"

namespace baton::kho {

std::vector<sim::PhysRange> boot_ranges(host::KernelPort& port,
                                        const std::optional<Handover>& handover) {
  if (handover) {
    return handover->scratch;
  }
  std::vector<sim::PhysRange> ranges;
  for (const host::MemoryMapEntry& entry : port.memory_map().entries) {
    if (entry.type == host::MemoryType::kRam) {
      ranges.push_back(entry.range);
    }
  }
  return ranges;
}

EarlyKernel::EarlyKernel(host::KernelPort& kernel_port, const host::BootHandoff& boot_handoff,
                         const linux::KernelConfig& kernel_config)
    : port(kernel_port),
      handoff(boot_handoff),
      config_(kernel_config),
      handover(populate(port, handoff)),
      services(port, config_, boot_ranges(port, handover)),
      kho(services, handoff, handover) {}

void EarlyKernel::bring_up_memory() {
  kho.memory_init();
  if (!config_.crash_kernel) {
    services.pages().release_all(!handoff.cold);
  }
}

Co<> EarlyKernel::jump(std::string command_line) {
  const auto image = kho.load_image(port.generation() + 1, std::move(command_line));
  BATON_CHECK(image.has_value(), "the next kernel does not fit into scratch");
  port.request_jump(*image);
  sim::WaitNode node(port.context(), port.context().actor(), "jumping");
  co_await port.context().wait(node);
}

}  // namespace baton::kho
