// How a CPU reaches configuration space: the memory-mapped window (ECAM) and the pair of ports CF8h
// and CFCh [PCIe 7.2.2; PCI 3.2.2.3.2]. Accesses of any width and alignment: hardware splits what
// is no naturally aligned byte, word or dword into such parts.
//
// Not modelled: configuration mechanism 2, the I/O space of functions: other ports read as all
// ones.
#pragma once

#include <cstdint>

#include "model/pci/fabric.h"

namespace baton::host {

// `bytes` 1 to 8 of the register at `offset`; what is beyond the function's 4 KiB reads as ones.
std::uint64_t read_config(pci::Fabric& fabric, Sbdf address, std::uint16_t offset, unsigned bytes);
void write_config(pci::Fabric& fabric, Sbdf address, std::uint16_t offset, unsigned bytes,
                  std::uint64_t value);

class ConfigPorts {
 public:
  explicit ConfigPorts(pci::Fabric& fabric) : fabric_(fabric) {}

  // 1, 2 or 4 bytes.
  std::uint32_t read(std::uint16_t port, unsigned width);
  void write(std::uint16_t port, unsigned width, std::uint32_t value);
  void reset() { selected_ = 0; }

  static constexpr std::uint16_t kAddress = 0xCF8;
  static constexpr std::uint16_t kData = 0xCFC;

 private:
  pci::Fabric& fabric_;
  std::uint32_t selected_ = 0;  // enable in bit 31, bus, device, function, dword
};

}  // namespace baton::host
