#include "model/pci/decoder.h"

#include <algorithm>

#include "model/pci/bus.h"
#include "model/pci/function.h"
#include "sim/check.h"

namespace baton::pci {

unsigned Decoder::add(Bus& bus) {
  BATON_CHECK(buses_.size() < 0x10000, "more buses than a claimant has room for");
  buses_.push_back(&bus);
  return static_cast<unsigned>(buses_.size() - 1);
}

void Decoder::changed(Function& function) {
  if (function.decoded_.changed) return;
  function.decoded_.changed = true;
  changed_.push_back(&function);
}

void Decoder::withdraw(Function& function) {
  for (const Claim& claim : function.decoded_.claims) {
    map_.remove(claim.first, claim.last, function.decoded_.base | claim.id);
  }
  function.decoded_.claims.clear();
}

void Decoder::forget(Function& function) {
  withdraw(function);
  std::erase(changed_, &function);
  function.decoded_.changed = false;
}

std::optional<Decoder::Found> Decoder::find(std::uint64_t address) {
  for (Function* function : changed_) {
    withdraw(*function);
    // A place in the order in which the buses are walked.
    const AddressMap::Claimant base = function->bus()->order() << 16 | function->devfn() << 8;
    function->decoded_ = {.base = base, .changed = false, .claims = function->claims()};
    for (const Claim& claim : function->decoded_.claims) {
      map_.add(claim.first, claim.last, function->decoded_.base | claim.id);
    }
  }
  changed_.clear();
  const auto claimant = map_.find(address);
  if (!claimant) return std::nullopt;
  Function* function = buses_[*claimant >> 16]->at_devfn(*claimant >> 8 & 0xFF);
  const Claims& claims = function->decoded_.claims;
  const auto is_it = [&](const Claim& claim) { return claim.id == (*claimant & 0xFF); };
  return Found{function, std::ranges::find_if(claims, is_it)};
}

}  // namespace baton::pci
