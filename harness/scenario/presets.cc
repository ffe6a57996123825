#include "harness/scenario/presets.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "harness/scenario/scenario.h"

namespace baton::harness {
namespace {

using linux::IommuLiveUpdate;
using linux::PciLiveUpdate;
using linux::Pieces;
using linux::Policies;
using linux::VfioLiveUpdate;

// A kernel that hands no device over takes every function for one that nobody uses; its policies
// are what it does anyway.
constexpr Policies cold_policies() {
  Policies policies;
  policies.interrupts = linux::InterruptPolicy::kKeep;
  policies.reinject = linux::ReinjectPolicy::kNone;
  policies.bus_numbers = linux::BusNumberPolicy::kReassign;
  policies.acs = linux::AcsPolicy::kRewrite;
  policies.ari = linux::AriPolicy::kRewrite;
  policies.driver_binding = linux::DriverBindingPolicy::kFirstMatch;
  policies.msi_at_boot = linux::MsiAtBoot::kClear;
  policies.prepared_lockdown = linux::PreparedLockdown::kNone;
  policies.cancel_after_freeze = linux::CancelAfterFreeze::kFdDead;
  return policies;
}

// What the series of September 2026 do; nobody keeps a driver from binding but the owner of the
// IOMMU group.
constexpr Policies posted_policies() {
  Policies policies;
  policies.interrupts = linux::InterruptPolicy::kRequireDisabled;
  policies.driver_binding = linux::DriverBindingPolicy::kFirstMatch;
  policies.msi_at_boot = linux::MsiAtBoot::kClear;
  policies.prepared_lockdown = linux::PreparedLockdown::kNone;
  policies.cancel_after_freeze = linux::CancelAfterFreeze::kFdDead;
  return policies;
}

constexpr Pieces pieces(PciLiveUpdate pci, IommuLiveUpdate iommu, VfioLiveUpdate vfio) {
  Pieces result;
  result.pci = pci;
  result.iommu = iommu;
  result.vfio = vfio;
  return result;
}

constexpr std::array kPresets{
    PresetConfig{"v7.2",
                 pieces(PciLiveUpdate::kNone, IommuLiveUpdate::kNone, VfioLiveUpdate::kNone),
                 cold_policies()},
    PresetConfig{"next", pieces(PciLiveUpdate::kV9, IommuLiveUpdate::kV5, VfioLiveUpdate::kV5),
                 posted_policies()},
    PresetConfig{"vision",
                 pieces(PciLiveUpdate::kV9, IommuLiveUpdate::kPhase2, VfioLiveUpdate::kRunning),
                 Policies{}},
};

// What was together beside the presets: PCI v9 as applied, and with VFIO v5, which does not need
// the IOMMU series (posted on PCI v7).
constexpr std::array kPosted{
    pieces(PciLiveUpdate::kV9, IommuLiveUpdate::kNone, VfioLiveUpdate::kNone),
    pieces(PciLiveUpdate::kV9, IommuLiveUpdate::kNone, VfioLiveUpdate::kV5),
};

bool same_devices(const Pieces& a, const Pieces& b) {
  return a.pci == b.pci && a.iommu == b.iommu && a.vfio == b.vfio;
}

constexpr std::array<std::string_view, 2> kPciNames{"none", "v9"};
constexpr std::array<std::string_view, 3> kIommuNames{"none", "v5", "phase2"};
constexpr std::array<std::string_view, 3> kVfioNames{"none", "v5", "running"};

template <class Enum>
std::size_t at(Enum value) {
  return static_cast<std::size_t>(value);
}

template <std::size_t n>
std::size_t index_of(const std::array<std::string_view, n>& names, std::string_view name) {
  const auto found = std::ranges::find(names, name);
  return found == names.end() ? 0 : static_cast<std::size_t>(found - names.begin());
}

// The alternatives of each policy, in the order of its enumerators.
struct PolicyNames {
  std::string_view key;
  std::array<std::string_view, 7> names;
  std::size_t (*chosen)(const Policies&);
  void (*choose)(Policies&, std::size_t);
};

template <auto member>
constexpr PolicyNames policy(std::string_view key, std::array<std::string_view, 7> names) {
  return {key, names, [](const Policies& policies) { return at(policies.*member); },
          [](Policies& policies, std::size_t index) {
            using Enum = std::remove_reference_t<decltype(policies.*member)>;
            policies.*member = static_cast<Enum>(index);
          }};
}

constexpr std::array kPolicies{
    policy<&Policies::interrupts>(
        "interrupts", {"disable-in-freeze", "require-disabled", "irte-drop", "posted-capture",
                       "remember", "keep"}),
    policy<&Policies::reinject>("reinject", {"none", "spurious", "pending-only"}),
    policy<&Policies::bus_numbers>("bus_numbers", {"inherit", "inherit-preserved", "reassign"}),
    policy<&Policies::acs>("acs", {"adopt", "rewrite"}),
    policy<&Policies::ari>("ari", {"adopt", "rewrite"}),
    policy<&Policies::device_key>("device_key", {"sbdf", "device-path"}),
    policy<&Policies::driver_binding>(
        "driver_binding", {"userspace-preserved", "userspace-all", "first-match", "driver-override",
                           "saved-name", "guid", "refuse-incompatible"}),
    policy<&Policies::sriov>("sriov", {"refuse", "adopt"}),
    policy<&Policies::ats>("ats", {"off", "on"}),
    policy<&Policies::interrupt_table>("interrupt_table", {"new", "preserve"}),
    policy<&Policies::msi_at_boot>("msi_at_boot", {"clear", "leave", "adopt"}),
    policy<&Policies::interrupt_replay>("interrupt_replay", {"after-iommu", "before-iommu"}),
    policy<&Policies::prepared_lockdown>("prepared_lockdown", {"none", "vfio", "all"}),
    policy<&Policies::restore_failure>("restore_failure", {"panic", "continue"}),
    policy<&Policies::cancel_after_freeze>("cancel_after_freeze", {"unfreeze", "fd-dead"}),
};

// Which piece an alternative needs. Only what some pieces cannot do has a row; the first that fits
// decides. An empty alternative stands for all that have no row of their own.
struct Need {
  std::string_view key;
  std::string_view alternative;
  std::string_view piece;  // empty: none
};

constexpr std::string_view kRunning = "vfio running";
constexpr std::array kNeeds{
    Need{"interrupts", "keep", ""},
    Need{"interrupts", "require-disabled", "vfio v5"},
    Need{"interrupts", "", kRunning},
    Need{"bus_numbers", "inherit", "pci v9"},
    Need{"bus_numbers", "inherit-preserved", "pci v9"},
    Need{"acs", "adopt", "pci v9"},
    Need{"ari", "adopt", "pci v9"},
    Need{"device_key", "device-path", kRunning},
    Need{"driver_binding", "userspace-preserved", "pci v9"},
    Need{"driver_binding", "userspace-all", "pci v9"},
    Need{"driver_binding", "driver-override", "pci v9"},
    Need{"driver_binding", "saved-name", kRunning},
    Need{"driver_binding", "guid", kRunning},
    Need{"driver_binding", "refuse-incompatible", kRunning},
    Need{"sriov", "adopt", kRunning},
    Need{"interrupt_table", "preserve", kRunning},
    Need{"msi_at_boot", "leave", kRunning},
    Need{"msi_at_boot", "adopt", kRunning},
    Need{"prepared_lockdown", "vfio", kRunning},
    Need{"prepared_lockdown", "all", kRunning},
    Need{"restore_failure", "continue", "iommu phase2"},
    Need{"cancel_after_freeze", "unfreeze", kRunning},
};

bool has(const Pieces& pieces, std::string_view piece) {
  if (piece == kRunning) return pieces.vfio == VfioLiveUpdate::kRunning;
  if (piece == "vfio v5") return pieces.vfio != VfioLiveUpdate::kNone;
  if (piece == "iommu phase2") return pieces.iommu == IommuLiveUpdate::kPhase2;
  return pieces.pci != PciLiveUpdate::kNone;
}

// What only pieces promise that let a device run, or an iommufd come back.
constexpr std::string_view kStopped = "its device is stopped for the jump (vfio running keeps it)";
constexpr std::string_view kUnfinished =
    "no iommufd comes back, so that no session that holds one can be finished (iommu phase2)";
constexpr std::array<std::string_view, 9> kOfRunningDevices{
    "dma-continuity", "bus-master-path", "bars-stable",   "windows-stable", "config-writes",
    "no-reset",       "irq-no-orphan",   "mmio-answered", "irq-accounted"};
constexpr std::array<std::string_view, 2> kOfWholeSessions{"session-complete", "memory-not-leaked"};
// Of kernels that hand over no translation.
constexpr std::string_view kNoTranslation = "its kernels hand no translation over (iommu v5)";
constexpr std::array<std::string_view, 2> kOfTranslation{"translation-equal", "memory-not-reused"};

}  // namespace

std::span<const PresetConfig> preset_configs() { return kPresets; }

const PresetConfig& preset_config(std::string_view id) {
  const auto found = std::ranges::find(kPresets, id, &PresetConfig::id);
  return found == kPresets.end() ? kPresets.back() : *found;
}

std::string_view policy_text(const Policies& policies, std::string_view key) {
  const auto row = std::ranges::find(kPolicies, key, &PolicyNames::key);
  return row == kPolicies.end() ? std::string_view() : row->names.at(row->chosen(policies));
}

std::vector<std::string_view> policy_keys() {
  std::vector<std::string_view> keys;
  for (const PolicyNames& row : kPolicies) keys.push_back(row.key);
  return keys;
}

void choose_policy(Policies& policies, std::string_view key, std::string_view alternative) {
  const auto row = std::ranges::find(kPolicies, key, &PolicyNames::key);
  if (row == kPolicies.end()) return;
  const auto name = std::ranges::find(row->names, alternative);
  if (name != row->names.end()) {
    row->choose(policies, static_cast<std::size_t>(name - row->names.begin()));
  }
}

std::string_view piece_text(const Pieces& pieces, std::string_view piece) {
  if (piece == "pci") return kPciNames.at(at(pieces.pci));
  if (piece == "iommu") return kIommuNames.at(at(pieces.iommu));
  return kVfioNames.at(at(pieces.vfio));
}

void set_piece(Pieces& pieces, std::string_view piece, std::string_view generation) {
  if (piece == "pci") {
    pieces.pci = static_cast<PciLiveUpdate>(index_of(kPciNames, generation));
  } else if (piece == "iommu") {
    pieces.iommu = static_cast<IommuLiveUpdate>(index_of(kIommuNames, generation));
  } else {
    pieces.vfio = static_cast<VfioLiveUpdate>(index_of(kVfioNames, generation));
  }
}

std::string missing_piece(const Pieces& pieces) {
  if (pieces.vfio != VfioLiveUpdate::kNone && pieces.pci == PciLiveUpdate::kNone) {
    return fmt::format("vfio {} needs pci v9", piece_text(pieces, "vfio"));
  }
  return {};
}

bool is_chimera(const Pieces& pieces) {
  const auto same = [&](const Pieces& known) { return same_devices(pieces, known); };
  return std::ranges::none_of(kPosted, same) &&
         std::ranges::none_of(kPresets, same, &PresetConfig::pieces);
}

std::string_view needed_piece(const Pieces& pieces, std::string_view key,
                              std::string_view alternative) {
  const auto fits = [&](const Need& need) {
    return need.key == key && (need.alternative == alternative || need.alternative.empty());
  };
  const auto need = std::ranges::find_if(kNeeds, fits);
  if (need == kNeeds.end() || need->piece.empty() || has(pieces, need->piece)) return {};
  return need->piece;
}

std::string_view not_promised(const Pieces& pieces, std::string_view invariant) {
  const auto in = [&](const auto& list) {
    return std::ranges::find(list, invariant) != list.end();
  };
  if (pieces.vfio != VfioLiveUpdate::kRunning && in(kOfRunningDevices)) return kStopped;
  if (pieces.iommu == IommuLiveUpdate::kV5 && in(kOfWholeSessions)) return kUnfinished;
  if (pieces.iommu == IommuLiveUpdate::kNone && in(kOfTranslation)) return kNoTranslation;
  return {};
}

std::string_view not_promised(const Scenario& scenario, std::string_view invariant) {
  for (std::size_t generation = 0; generation < scenario.generations(); ++generation) {
    const auto why = not_promised(scenario.kernel(generation).config.pieces, invariant);
    if (!why.empty()) return why;
  }
  return {};
}

}  // namespace baton::harness
