#include "harness/scenario/bind_iommu.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "harness/scenario/bind_interrupts.h"
#include "model/iommu_vtd/profiles.h"

namespace baton::harness {
namespace {

constexpr std::uint64_t kPage = 4096;
// Beside the one of the segment: registers have room for eight.
constexpr std::size_t kMostOwnUnits = 7;

void bind_units(const View& list, MachineSpec& spec, Diagnostics& diagnostics) {
  spec.own_units_at = list.at();
  for (const View& item : list.items()) {
    const auto bus = static_cast<std::uint8_t>(item.number());
    if (std::ranges::count(spec.own_units, bus) != 0) {
      diagnostics.add(Problem::kDuplicateName, item.at(),
                      fmt::format("bus {:#04x} has a unit of its own already", bus));
      continue;
    }
    spec.own_units.push_back(bus);
  }
  if (spec.own_units.size() > kMostOwnUnits) {
    diagnostics.add(Problem::kOutOfRange, list.at(),
                    fmt::format("units: at most {}", kMostOwnUnits));
  }
}

std::optional<std::size_t> device_of(const View& item, const MachineSpec& spec,
                                     Diagnostics& diagnostics) {
  const std::string wanted = item.text();
  const auto found = std::ranges::find(spec.add, wanted, &AddedDevice::name);
  if (found == spec.add.end()) {
    std::vector<std::string_view> known;
    for (const AddedDevice& device : spec.add) known.push_back(device.name);
    diagnostics.add(Problem::kUnknownName, item.at(), fmt::format("no device \"{}\"", wanted),
                    did_you_mean(wanted, known),
                    fmt::format("devices of the machine: {}", fmt::join(known, ", ")));
    return std::nullopt;
  }
  if (found->port || found->address.segment != 0) {
    diagnostics.add(Problem::kNotBuilt, item.at(),
                    "memory reserved for a device that is not on a root bus of segment 0: not "
                    "built yet");
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - spec.add.begin());
}

void bind_profile(const View& iommu, MachineSpec& spec, Diagnostics& diagnostics) {
  const std::string name = iommu.key("profile").text();
  const auto* row = iommu_vtd::find_profile(name);
  if (row == nullptr) {
    return;  // not among the choices: said already
  }
  spec.iommu_profile = name;
  if (spec.scalable_iommu && !row->make().scalable_mode()) {
    diagnostics.add(Problem::kConflict, iommu.key("mode").at(),
                    fmt::format("{} has no scalable mode", name), "",
                    "leave mode at legacy, or profile at sapphire-rapids");
  }
}

}  // namespace

void bind_iommu(const View& iommu, MachineSpec& spec, Diagnostics& diagnostics) {
  bind_profile(iommu, spec, diagnostics);
  bind_posted_interrupts(iommu, spec, diagnostics);
  bind_units(iommu.key("units"), spec, diagnostics);
  for (const View& item : iommu.key("reserved_regions").items()) {
    ReservedRegion region;
    region.bytes = item.key("size").number();
    if (region.bytes % kPage != 0) {
      diagnostics.add(Problem::kOutOfRange, item.key("size").at(), "size: not a multiple of 4KiB");
    }
    for (const View& name : item.key("devices").items()) {
      if (const auto device = device_of(name, spec, diagnostics)) region.devices.push_back(*device);
    }
    spec.reserved_regions.push_back(region);
  }
}

}  // namespace baton::harness
