// Who takes a memory request that comes from above, among the functions of one bus or of all root
// buses: an index over what their registers claim now, of which the next request sees every change.
//
// A function whose registers change is looked at again by the next request, however many writes
// there were in between; so sizing a BAR costs nothing here while nobody asks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/pci/address_map.h"

namespace baton::pci {

class Bus;
class Function;
struct Claim;

class Decoder {
 public:
  // Buses in the order in which they are asked; its number in it.
  unsigned add(Bus& bus);
  // What the function claims may have changed, or it is new.
  void changed(Function& function);
  // It leaves its slot.
  void forget(Function& function);

  struct Found {
    Function* function = nullptr;
    const Claim* claim = nullptr;
  };
  std::optional<Found> find(std::uint64_t address);

 private:
  void withdraw(Function& function);

  AddressMap map_;
  std::vector<Bus*> buses_;
  std::vector<Function*> changed_;
};

}  // namespace baton::pci
