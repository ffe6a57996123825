// Device interrupts of one kernel: vectors, their messages, their handlers [linux arch/x86/kernel/
// apic/vector.c, kernel/irq/]. Without interrupt remapping a message is in compatibility format.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "model/linux/base/kernel_services.h"

namespace baton::linux::irq {

class IrqCore {
 public:
  explicit IrqCore(KernelServices& services);
  ~IrqCore();

  // Installs the handler at the machine's port.
  void init();

  struct Message {
    std::uint64_t address = 0;
    std::uint32_t data = 0;
  };
  struct Irq {
    Vector vector;
    Message message;
  };
  // A vector whose interrupts call `handler` (in interrupt context: must not sleep). ENOSPC.
  Result<Irq> request(std::function<void()> handler);
  void free(Vector vector);

  // Interrupts that arrived on a vector without handler.
  std::uint64_t spurious() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace baton::linux::irq
