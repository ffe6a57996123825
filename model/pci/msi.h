// The MSI capability of a function, in its four layouts: 32 or 64 address bits, with or without
// mask and pending bits [PCIe 7.7.1, 6.1.4].
//
// All its state is in configuration space. An event on a masked vector sets its pending bit; the
// message leaves when the mask bit clears. Not modelled: extended message data, which reads as not
// enabled.
#pragma once

#include <cstdint>
#include <optional>

#include "model/pci/config_space.h"

namespace baton::pci {

class Msi {
 public:
  struct Message {
    std::uint64_t address = 0;
    std::uint32_t data = 0;
  };

  // The capability at `capability`, which lies inside the configuration space.
  explicit Msi(std::uint16_t capability) : capability_(capability) {}
  // Bytes of the structure, by its Message Control.
  static unsigned length(std::uint32_t control);

  bool enabled(const ConfigSpace& config) const;
  // Vectors that software allocated: 1, 2, 4, .. 32.
  unsigned vectors(const ConfigSpace& config) const;

  // An event on a vector: the message to send now, or nothing. With fewer vectors allocated than
  // the function has, its events share them.
  std::optional<Message> signal(ConfigSpace& config, unsigned vector) const;
  // A pending vector that is no longer masked, lowest first; its bit is cleared.
  std::optional<Message> take_unmasked(ConfigSpace& config) const;

 private:
  std::uint32_t control(const ConfigSpace& config) const;
  std::uint16_t data_at(std::uint32_t control) const;
  std::uint16_t pending_at(std::uint32_t control) const;
  Message message(const ConfigSpace& config, unsigned vector) const;

  std::uint16_t capability_;
};

}  // namespace baton::pci
