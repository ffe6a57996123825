// Who claims an address, among claims that come and go and may overlap: the first in order of the
// claimants wins. Finding is logarithmic in the number of claims, and constant when the address
// lies where the last one did; adding and removing is logarithmic in it too, plus what it overlaps.
// Claims that have not changed for a while lie in order in one array, where finding is quick.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

#include <boost/container/small_vector.hpp>

namespace baton::pci {

class AddressMap {
 public:
  using Claimant = std::uint32_t;

  AddressMap();
  AddressMap(const AddressMap&) = delete;
  AddressMap& operator=(const AddressMap&) = delete;

  // [first, last], both inclusive. A claimant may have several claims, and claims one address once.
  void add(std::uint64_t first, std::uint64_t last, Claimant claimant);
  // As it was added.
  void remove(std::uint64_t first, std::uint64_t last, Claimant claimant);

  // The lowest claimant of the address.
  std::optional<Claimant> find(std::uint64_t address) {
    if (address < found_first_ || address > found_last_) look(address);
    return found_;
  }

 private:
  // From the key up to the next key; lowest claimant first. The first key is 0.
  using Segments = std::map<std::uint64_t, boost::container::small_vector<Claimant, 2>>;

  Segments::iterator holding(std::uint64_t address);
  Segments::iterator split_at(std::uint64_t address);
  void changed();
  void lay_out();
  void look(std::uint64_t address);
  // Joins a segment with the one before it, if they are alike.
  void join(Segments::iterator segment);

  Segments segments_;
  // The same as an array; empty after a change, until it has been asked for often enough to pay.
  struct Laid {
    std::uint64_t first = 0;
    std::optional<Claimant> claimant;
  };
  std::vector<Laid> laid_;
  std::size_t looks_ = 0;  // since the last change
  // What find() found last, and between which addresses it says the same.
  std::uint64_t found_first_ = 1;
  std::uint64_t found_last_ = 0;
  std::optional<Claimant> found_;
};

}  // namespace baton::pci
