// The MSI-X structures of a function: vector table and pending bit array, as bytes of one of its
// memory BARs [PCIe 6.1.4, 7.7.2].
//
// An event on a masked vector sets its pending bit; when both masks are clear the message leaves
// once and the bit clears. With MSI-X off there are no messages and nothing becomes pending.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/pci/config_space.h"

namespace baton::pci {

class Msix {
 public:
  struct Message {
    std::uint64_t address = 0;
    std::uint32_t data = 0;
  };

  // The capability at `capability` of this configuration space.
  Msix(const ConfigSpace& config, std::uint16_t capability);

  unsigned vectors() const { return vectors_; }
  bool enabled(const ConfigSpace& config) const;

  // An event on a vector: the message to send now, or nothing, with the pending bit set.
  std::optional<Message> signal(const ConfigSpace& config, unsigned vector);
  // A pending vector that is no longer masked, lowest first; its bit is cleared.
  std::optional<unsigned> take_unmasked(const ConfigSpace& config);
  Message message(unsigned vector) const;

  // Access to its BAR. False: the range lies in neither structure.
  bool read(unsigned bar, std::uint64_t offset, std::span<std::byte> to) const;
  bool write(unsigned bar, std::uint64_t offset, std::span<const std::byte> from);

  void reset();

 private:
  static constexpr unsigned kEntryBytes = 16;
  static constexpr unsigned kVectorControl = 12;

  bool masked(const ConfigSpace& config, unsigned vector) const;
  bool pending(unsigned vector) const;
  void set_pending(unsigned vector, bool value);

  std::uint16_t capability_;
  unsigned vectors_;
  unsigned table_bar_;
  std::uint64_t table_offset_;
  unsigned pba_bar_;
  std::uint64_t pba_offset_;
  std::vector<std::byte> table_;
  std::vector<std::byte> pba_;
};

}  // namespace baton::pci
