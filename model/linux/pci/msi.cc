// MSI-X and MSI of a function [linux drivers/pci/msi/msi.c, irqdomain.c].
//
// Not modelled: extended message data. A function with one vector has the mask bits of the others
// left alone, where Linux masks all that it could have.
#include <algorithm>
#include <bit>

#include "model/linux/pci/state.h"

namespace baton::linux::pci {

unsigned PciCore::msix_table_size(const PciDev& dev) {
  if (dev.msix_cap == 0) return 0;
  return (state_->read(dev, dev.msix_cap + 2U, 2, "pci_msix_vec_count") & 0x7FF) + 1;
}

namespace {

struct MsixTable {
  PhysAddr base;
  unsigned entries = 0;
};

}  // namespace

Result<> PciCore::enable_msix(PciDev& dev, std::span<const MsiMessage> messages) {
  constexpr const char* kInit = "msix_capability_init";
  host::KernelPort& port = state_->services_.port();
  if (dev.msix_cap == 0 || dev.msix_enabled || messages.empty()) return fail(Errno::kInval);
  MsixTable table;
  table.entries = msix_table_size(dev);
  if (messages.size() > table.entries) return fail(Errno::kRange);
  const unsigned control_at = dev.msix_cap + 2U;
  const std::uint32_t place = state_->read(dev, dev.msix_cap + 4U, 4, "msix_map_region");
  if ((place & 7) > 5) return fail(Errno::kNoMem);
  const Resource& resource = dev.resources[place & 7];
  if (resource.size < (place & ~7U) + 16ULL * table.entries || resource.start.value() == 0) {
    return fail(Errno::kNoMem);  // ioremap of what is not there
  }
  table.base = resource.start + (place & ~7U);
  const std::uint32_t control = state_->read(dev, control_at, 2, kInit);
  state_->write_now(dev, control_at, 2, control | regs::kMsixEnable | regs::kMsixMaskAll, kInit);
  for (unsigned i = 0; i < messages.size(); ++i) {
    const PhysAddr entry = table.base + 16ULL * i;
    port.mmio_write(entry, 4, messages[i].address & 0xFFFFFFFF);
    port.mmio_write(entry + 4, 4, messages[i].address >> 32);
    port.mmio_write(entry + 8, 4, messages[i].data);
  }
  state_->set_intx(dev, false);
  for (unsigned i = 0; i < table.entries; ++i) port.mmio_write(table.base + 16ULL * i + 12, 4, 1);
  state_->write_now(dev, control_at, 2,
                    state_->services_.has(Defect::kPciMsixStayMasked)
                        ? control | regs::kMsixEnable | regs::kMsixMaskAll
                        : (control | regs::kMsixEnable) & ~std::uint32_t{regs::kMsixMaskAll},
                    kInit);
  dev.msix_enabled = true;
  // request_irq of each vector.
  for (unsigned i = 0; i < messages.size(); ++i) port.mmio_write(table.base + 16ULL * i + 12, 4, 0);
  return {};
}

void PciCore::disable_msix(PciDev& dev) {
  if (!dev.msix_enabled) return;
  constexpr const char* kShutdown = "pci_msix_shutdown";
  const std::uint32_t place = state_->read(dev, dev.msix_cap + 4U, 4, kShutdown);
  const PhysAddr table = dev.resources[place & 7].start + (place & ~7U);
  const unsigned entries = msix_table_size(dev);
  for (unsigned i = 0; i < entries; ++i) {
    state_->services_.port().mmio_write(table + 16ULL * i + 12, 4, 1);
  }
  const std::uint32_t control = state_->read(dev, dev.msix_cap + 2U, 2, kShutdown);
  state_->write_now(dev, dev.msix_cap + 2U, 2, control & ~std::uint32_t{regs::kMsixEnable},
                    kShutdown);
  state_->set_intx(dev, true);
  dev.msix_enabled = false;
}

PciCore::InheritedMsix PciCore::inherited_msix(PciDev& dev, std::size_t count) {
  constexpr const char* kRead = "msix_inherited";
  InheritedMsix found;
  if (dev.msix_cap == 0 || count > msix_table_size(dev)) return found;
  const std::uint32_t control = state_->read(dev, dev.msix_cap + 2U, 2, kRead);
  const std::uint32_t place = state_->read(dev, dev.msix_cap + 4U, 4, kRead);
  if ((place & 7) > 5 || dev.resources[place & 7].start.value() == 0) return found;
  found.on = (control & regs::kMsixEnable) != 0 && (control & regs::kMsixMaskAll) == 0;
  host::KernelPort& port = state_->services_.port();
  const PhysAddr table = dev.resources[place & 7].start + (place & ~7U);
  for (std::size_t i = 0; i < count; ++i) {
    const PhysAddr entry = table + 16ULL * i;
    if ((port.mmio_read(entry + 12, 4) & 1) != 0) found.on = false;
    const std::uint64_t address = port.mmio_read(entry, 4) | port.mmio_read(entry + 4, 4) << 32;
    found.messages.push_back({address, static_cast<std::uint32_t>(port.mmio_read(entry + 8, 4))});
  }
  return found;
}

void PciCore::adopt_msix(PciDev& dev) { dev.msix_enabled = true; }

unsigned PciCore::msi_vector_count(const PciDev& dev) {
  if (dev.msi_cap == 0) return 0;
  const std::uint32_t control = state_->read(dev, dev.msi_cap + 2U, 2, "pci_msi_vec_count");
  return 1U << std::min((control & regs::kMsiQueueMask) >> 1, 5U);
}

// The message of an MSI capability, with as many vectors as the function is to use
// [__pci_write_msi_msg].
void PciCore::State::write_msi_message(const PciDev& dev, const MsiMessage& message,
                                       unsigned vectors) {
  constexpr const char* kWrite = "__pci_write_msi_msg";
  const unsigned at = dev.msi_cap;
  const std::uint32_t control = read(dev, at + 2U, 2, kWrite);
  const bool wide = (control & regs::kMsi64Bit) != 0;
  const auto multiple = static_cast<std::uint32_t>(std::countr_zero(std::bit_ceil(vectors)));
  write_now(dev, at + 2U, 2, (control & ~std::uint32_t{regs::kMsiQueueSize}) | multiple << 4,
            kWrite);
  write_now(dev, at + 4U, 4, static_cast<std::uint32_t>(message.address), kWrite);
  if (wide) write_now(dev, at + 8U, 4, static_cast<std::uint32_t>(message.address >> 32), kWrite);
  write_now(dev, at + (wide ? 12U : 8U), 2, message.data, kWrite);
  read(dev, at + 2U, 2, kWrite);
}

PciCore::InheritedMsix PciCore::inherited_msi(PciDev& dev, std::size_t count) {
  constexpr const char* kRead = "msi_inherited";
  InheritedMsix found;
  if (count > msi_vector_count(dev)) return found;
  const unsigned at = dev.msi_cap;
  const std::uint32_t control = state_->read(dev, at + 2U, 2, kRead);
  const bool wide = (control & regs::kMsi64Bit) != 0;
  found.on = (control & regs::kMsiEnable) != 0;
  std::uint64_t address = state_->read(dev, at + 4U, 4, kRead);
  if (wide) address |= std::uint64_t{state_->read(dev, at + 8U, 4, kRead)} << 32;
  const std::uint32_t data = state_->read(dev, at + (wide ? 12U : 8U), 2, kRead);
  const std::uint32_t low = (1U << ((control & regs::kMsiQueueSize) >> 4)) - 1;
  for (std::uint32_t i = 0; i < count && i <= low; ++i) {
    found.messages.push_back({address, (data & ~low) | i});
  }
  return found;
}

// Command.Interrupt Disable, written only if it changes.
void PciCore::State::set_intx(const PciDev& dev, bool enable) {
  const std::uint32_t command = read(dev, regs::kCommand, 2, "pci_intx");
  const std::uint32_t wanted = enable ? command & ~std::uint32_t{regs::kCommandIntxDisable}
                                      : command | regs::kCommandIntxDisable;
  if (wanted != command) write_now(dev, regs::kCommand, 2, wanted, "pci_intx");
}

// The mask register of a function with per-vector masking; nothing for the others.
void PciCore::State::mask_msi(const PciDev& dev, std::uint32_t bits, bool masked) {
  constexpr const char* kMask = "pci_msi_update_mask";
  const std::uint32_t control = read(dev, dev.msi_cap + 2U, 2, kMask);
  if ((control & regs::kMsiMasking) == 0) return;
  const unsigned at = dev.msi_cap + ((control & regs::kMsi64Bit) != 0 ? 0x10U : 0x0CU);
  const std::uint32_t old = read(dev, at, 4, kMask);
  write_now(dev, at, 4, masked ? old | bits : old & ~bits, kMask);
}

namespace {

std::uint32_t lowest_bits(unsigned count) {
  return count >= 32 ? UINT32_MAX : (std::uint32_t{1} << count) - 1;
}

}  // namespace

Result<> PciCore::enable_msi(PciDev& dev, const MsiMessage& message, unsigned vectors) {
  constexpr const char* kEnable = "pci_msi_set_enable";
  if (dev.msi_cap == 0 || dev.msi_enabled || dev.msix_enabled) return fail(Errno::kInval);
  const unsigned most = vectors == 1 ? 1 : msi_vector_count(dev);
  if (vectors == 0 || vectors > most) return fail(Errno::kRange);
  const unsigned at = dev.msi_cap + 2U;
  const std::uint32_t control = state_->read(dev, at, 2, kEnable);
  state_->write_now(dev, at, 2, control & ~std::uint32_t{regs::kMsiEnable}, kEnable);
  state_->mask_msi(dev, lowest_bits(most), true);
  state_->write_msi_message(dev, message, vectors);
  state_->set_intx(dev, false);
  const std::uint32_t set = state_->read(dev, at, 2, kEnable);
  state_->write_now(dev, at, 2, set | regs::kMsiEnable, kEnable);
  dev.msi_enabled = true;
  state_->mask_msi(dev, lowest_bits(vectors), false);  // request_irq of each
  return {};
}

void PciCore::disable_msi(PciDev& dev) {
  if (!dev.msi_enabled) return;
  constexpr const char* kEnable = "pci_msi_set_enable";
  const unsigned at = dev.msi_cap + 2U;
  const unsigned size = state_->read(dev, at, 2, kEnable) & regs::kMsiQueueSize;
  const std::uint32_t used = lowest_bits(1U << (size >> 4));
  state_->mask_msi(dev, used, true);  // free_irq
  const std::uint32_t control = state_->read(dev, at, 2, kEnable);
  state_->write_now(dev, at, 2, control & ~std::uint32_t{regs::kMsiEnable}, kEnable);
  state_->set_intx(dev, true);
  const unsigned all = size == 0 ? 1 : msi_vector_count(dev);
  state_->mask_msi(dev, lowest_bits(all), false);
  state_->write_msi_message(dev, MsiMessage{}, 1);
  dev.msi_enabled = false;
}

}  // namespace baton::linux::pci
