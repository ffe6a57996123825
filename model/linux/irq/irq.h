// Device interrupts of one kernel: vectors, their messages, their handlers [linux arch/x86/kernel/
// apic/vector.c, apic.c, kernel/irq/].
//
// All interrupts go to the boot CPU. Without interrupt remapping a message is in compatibility
// format; with it, it names an entry of the table of the device's unit. Not modelled: affinity,
// vector migration, lowest-priority delivery, system vectors other than as a range that devices do
// not get.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "model/linux/base/kernel_services.h"
#include "model/linux/pci/pci_dev.h"

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
  // Where an interrupt is to arrive.
  struct Target {
    std::uint32_t cpu = 0;  // APIC id
    Vector vector;
  };

  // The driver of an interrupt remapping unit.
  class Remapper {
   public:
    virtual ~Remapper() = default;
    // True for a device whose unit remaps interrupts.
    virtual bool remaps(const pci::PciDev& dev) const = 0;
    // An entry that lets this device, and no other, raise the target's vector. ENOSPC.
    virtual Result<std::uint16_t> allocate(const pci::PciDev& dev, Target target) = 0;
    virtual void free(const pci::PciDev& dev, std::uint16_t index) = 0;
  };
  void set_remapper(Remapper& remapper);

  // A vector whose interrupts call `handler` (in interrupt context: must not sleep), for messages
  // of this device. ENOSPC.
  Result<Irq> request(std::function<void()> handler, const pci::PciDev& dev);
  // For messages that no unit remaps: those of a remapping unit itself.
  Result<Irq> request(std::function<void()> handler);
  void free(Vector vector);

  // Messages to this vector are of the time before this kernel: nobody is given it until they
  // cannot come any more.
  void hold(Vector vector);
  void release(Vector vector);

  // Interrupts that arrived on a vector without handler.
  std::uint64_t spurious() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace baton::linux::irq
