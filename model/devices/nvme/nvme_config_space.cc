#include "model/devices/nvme/nvme_config_space.h"

namespace baton::devices::nvme {

using pci::CapabilityId;
using pci::ExtendedCapabilityId;

pci::ConfigSpace nvme_config_space(const NvmeConfig& card) {
  pci::ConfigSpace config = pci::ConfigSpace::type0({.vendor = 0x1B36,
                                                     .device = 0x0010,
                                                     .class_code = 0x010802,
                                                     .revision = 0x02,
                                                     .subsystem_vendor = 0x1AF4,
                                                     .subsystem_device = 0x1100,
                                                     .interrupt_pin = 1,
                                                     .multi_function = card.multi_function,
                                                     .command_writable = 0x0546});
  config.bar64(0, kBar0Size, false);
  if (card.buffer_bytes != 0) config.bar64(kBufferBar, card.buffer_bytes, true);
  config.add_capability(0x40, CapabilityId::kPowerManagement,
                        {{2, 2, 0x0003}, {4, 2, card.no_soft_reset ? 0x0008U : 0U}});
  config.add_capability(0x50, CapabilityId::kMsix,
                        {{2, 2, kMsixVectors - 1}, {4, 4, kMsixTable}, {8, 4, kMsixPending}});
  // Version 2 endpoint; payload up to 256 bytes, FLR; four lanes of 8 GT/s.
  config.add_capability(0x60, CapabilityId::kExpress,
                        {{0x02, 2, 0x0002},
                         {0x04, 4, card.flr ? 0x10008001U : 0x00008001U},
                         {0x08, 2, 0x2810},
                         {0x0C, 4, 0x00400043},
                         {0x12, 2, 0x0043},
                         {0x24, 4, 0x00000010},
                         {0x2C, 4, 0x0000000E},
                         {0x30, 2, 0x0003}},
                        0x3C);
  config.add_extended_capability(
      0x100, ExtendedCapabilityId::kAer, 2,
      {{0x08, 4, 0x00400000}, {0x0C, 4, 0x00462030}, {0x14, 4, 0x00002000}}, 0x48);
  config.add_extended_capability(0x148, ExtendedCapabilityId::kSerialNumber, 1,
                                 {{4, 4, static_cast<std::uint32_t>(card.serial_number)},
                                  {8, 4, static_cast<std::uint32_t>(card.serial_number >> 32)}});
  if (card.multi_function || card.vfs != 0) {
    config.add_extended_capability(0x158, ExtendedCapabilityId::kAri, 1,
                                   {{4, 2, std::uint32_t{card.next_function} << 8}});
  }
  if (card.multi_function && card.acs) {
    config.add_extended_capability(0x170, ExtendedCapabilityId::kAcs, 1, {{4, 4, 0}});
  }
  if (card.vfs == 0) return config;
  // Virtual functions follow their physical one; above 7 they need ARI forwarding in the port
  // above.
  config.add_extended_capability(0x180, ExtendedCapabilityId::kSriov, 1,
                                 {{0x0C, 2, card.vfs},
                                  {0x0E, 2, card.vfs},
                                  {0x14, 2, 1},
                                  {0x16, 2, 1},
                                  {0x1A, 2, 0x0010},
                                  {0x1C, 4, 0x00000553},
                                  {0x20, 4, 1}},
                                 0x40);
  config.vf_bar64(0, kBar0Size, false);
  return config;
}

pci::ConfigSpace nvme_virtual_config_space(const pci::ConfigSpace& physical) {
  pci::ConfigSpace config = pci::ConfigSpace::virtual_function(physical);
  config.add_capability(0x80, CapabilityId::kMsix,
                        {{2, 2, kMsixVectors - 1}, {4, 4, kMsixTable}, {8, 4, kMsixPending}});
  config.add_extended_capability(0x100, ExtendedCapabilityId::kAri, 1, {});
  return config;
}

}  // namespace baton::devices::nvme
