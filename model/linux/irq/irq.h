// Device interrupts of one kernel: vectors, their messages, their handlers [linux arch/x86/kernel/
// apic/vector.c, apic.c, kernel/irq/].
//
// All interrupts go to the boot CPU. Without interrupt remapping a message is in compatibility
// format. Not modelled: affinity, vector migration, lowest-priority delivery, system vectors other
// than as a range that devices do not get.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "model/linux/base/kernel_services.h"

namespace baton::linux::irq {

// Vectors that devices get [linux arch/x86/include/asm/irq_vectors.h]: first fit from 0x20 to below
// the system vectors, without those of the 16 legacy interrupts and the system call gate.
inline constexpr unsigned kFirstExternalVector = 0x20;
inline constexpr unsigned kFirstLegacyVector = 0x30;
inline constexpr unsigned kLastLegacyVector = 0x3F;
inline constexpr unsigned kSystemCallVector = 0x80;
inline constexpr unsigned kFirstSystemVector = 0xEB;

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
