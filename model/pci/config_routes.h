// Where configuration requests go: by segment to a host bridge, then downstream by the bus numbers
// of the bridges, whatever their Command says [PCIe 7.3.3; PCI-to-PCI bridge 1.2, 3.1.2].
//
// The way to each bus number is remembered until a bus number or the topology changes; whether the
// links on it are up is looked at each time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "model/pci/bus.h"

namespace baton::pci {

class ConfigRoutes {
 public:
  explicit ConfigRoutes(const std::vector<std::unique_ptr<Bus>>& root_buses)
      : root_buses_(root_buses) {}

  void changed() { ++epoch_; }
  // Who answers a request to this address now; null for nobody.
  Function* find(Sbdf address);
  bool has_segment(decltype(Sbdf::segment) segment) { return ways_in(segment) != nullptr; }

 private:
  struct Way {
    std::uint64_t epoch = 0;
    const Bus* bus = nullptr;
    bool ambiguous = false;
  };
  using Ways = std::array<Way, 256>;

  const Bus* root_of(Sbdf address) const;
  Ways* ways_in(decltype(Sbdf::segment) segment);
  void find_way(Way& way, Sbdf address) const;

  const std::vector<std::unique_ptr<Bus>>& root_buses_;
  std::uint64_t epoch_ = 1;
  std::map<decltype(Sbdf::segment), std::unique_ptr<Ways>> ways_;
};

}  // namespace baton::pci
