// Device interrupts of one kernel: vectors, their messages, their handlers [linux arch/x86/kernel/
// apic/vector.c, apic.c, kernel/irq/].
//
// A vector is of one CPU: that which has most of them free, the lowest number first [linux
// kernel/irq/matrix.c irq_matrix_alloc]. Without interrupt remapping a message is in compatibility
// format; with it, it names an entry of the table of the device's unit. Not modelled: affinity,
// vector migration, managed interrupts, lowest-priority delivery, system vectors other than as a
// range that devices do not get.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/linux/base/cpu_vector.h"
#include "model/linux/base/kernel_services.h"
#include "model/linux/base/observations.h"
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
    CpuVector vector;
    Message message;
  };

  // The driver of an interrupt remapping unit.
  class Remapper {
   public:
    virtual ~Remapper() = default;
    // True for a device whose unit remaps interrupts.
    virtual bool remaps(const pci::PciDev& dev) const = 0;
    // Entries in a row, by which this device, and no other, raises the targets' vectors; a row
    // begins at a multiple of its length, which is a power of two. The first one. ENOSPC.
    virtual Result<std::uint16_t> allocate(const pci::PciDev& dev,
                                           std::span<const CpuVector> targets) = 0;
    virtual void free(const pci::PciDev& dev, std::uint16_t index) = 0;

    // Live update. From now on messages that name the entry are dropped in silence; or become
    // request bit `request` of the device's posted-interrupt descriptor; or are as before.
    // EOPNOTSUPP, ENOSPC.
    virtual Result<> drop(const pci::PciDev& dev, std::uint16_t index) = 0;
    virtual Result<> capture(const pci::PciDev& dev, std::uint16_t index, unsigned request) = 0;
    virtual void restore(const pci::PciDev& dev, std::uint16_t index) = 0;
    // Takes the request bit out of the device's descriptor: was it set?
    virtual bool take_captured(const pci::PciDev& dev, std::uint16_t index, unsigned request) = 0;
    // An entry that the previous kernel gave this very device, in a table that was handed over:
    // its vector, none while it drops or captures. EINVAL: there is no such entry.
    virtual Result<std::optional<CpuVector>> inherited(const pci::PciDev& dev,
                                                       std::uint16_t index) = 0;
    // Such an entry leads to the target and is this kernel's own from now on.
    virtual void adopt(const pci::PciDev& dev, std::uint16_t index, CpuVector target) = 0;
  };
  void set_remapper(Remapper& remapper);

  // A vector whose interrupts call `handler` (in interrupt context: must not sleep), for messages
  // of this device. ENOSPC.
  Result<Irq> request(std::function<void()> handler, const pci::PciDev& dev);
  // For messages that no unit remaps: those of a remapping unit itself.
  Result<Irq> request(std::function<void()> handler);
  // MSI: a vector for each handler, and one message, into whose low bits the device puts the number
  // of the vector. EOPNOTSUPP: more than one, and nothing remaps the device's messages, for vectors
  // are not given out in rows [linux arch/x86/kernel/apic/msi.c: MSI_FLAG_MULTI_PCI_MSI is the
  // remapping domain's alone]. ENOSPC.
  struct Block {
    std::vector<CpuVector> vectors;
    Message message;
  };
  Result<Block> request_block(std::vector<std::function<void()>> handlers, const pci::PciDev& dev);
  void free(CpuVector vector);

  // Messages to this vector are of the time before this kernel: nobody is given it until they
  // cannot come any more.
  void hold(CpuVector vector);
  void release(CpuVector vector);

  // Live update, for vectors of a device [policy interrupts]: as the remapper has them.
  Result<> drop(CpuVector vector);
  Result<> capture(CpuVector vector, unsigned request);
  void restore(CpuVector vector);
  bool take_captured(CpuVector vector, unsigned request);

  // New kernel. What came for a message that the previous kernel gave this device, and that the
  // device no longer sends: captured, or noted [policies posted-capture, remember]. What still is
  // under way goes to the handler of `successor`, where messages are noted.
  std::optional<InterruptOrigin> take_inherited(const pci::PciDev& dev, const Message& message,
                                                unsigned request, CpuVector successor);
  // The device goes on sending that message, and `handler` gets it; and what had come for it.
  // EINVAL: it leads nowhere; EBUSY: to another handler; ENOSPC.
  struct Adopted {
    CpuVector vector;
    std::optional<InterruptOrigin> missed;
  };
  Result<Adopted> adopt(std::function<void()> handler, const pci::PciDev& dev,
                        const Message& message, unsigned request);
  // Policy interrupt_replay: before-iommu. Nothing is noted after it.
  void replay_noted();

  // Interrupts that arrived on a vector without handler.
  std::uint64_t spurious() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace baton::linux::irq
