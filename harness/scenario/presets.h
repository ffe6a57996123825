// What a kernel of a scenario is made of: the pieces and policies of each preset, which pieces can
// be together, and what they can do. `baton list presets` and `baton explain PRESET` print the same
// table.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/scenario/catalogue_rows.h"
#include "model/linux/base/config.h"

namespace baton::harness {

struct Scenario;

struct PresetConfig {
  std::string_view id;
  linux::Pieces pieces;
  linux::Policies policies;
};

std::span<const PresetConfig> preset_configs();
// The one of this id; vision for an id that is not built, which the schema has reported.
const PresetConfig& preset_config(std::string_view id);

// The name of what these policies choose for a key: "reinject" -> "spurious". Empty for a key that
// is none of theirs.
std::string_view policy_text(const linux::Policies& policies, std::string_view key);

// The keys that policies have, and the choice of one by its name; what is none changes nothing, the
// schema has reported it.
std::vector<std::string_view> policy_keys();
void choose_policy(linux::Policies& policies, std::string_view key, std::string_view alternative);

// The generation of one piece, by the key that chooses it: pci, iommu, vfio.
std::string_view piece_text(const linux::Pieces& pieces, std::string_view piece);
void set_piece(linux::Pieces& pieces, std::string_view piece, std::string_view generation);

// What a piece of these needs and does not have: "vfio running needs pci v9". Empty: nothing.
std::string missing_piece(const linux::Pieces& pieces);
// No kernel and no series had these pieces together.
bool is_chimera(const linux::Pieces& pieces);
// The piece that an alternative of a policy needs and these pieces are not: "vfio running". Empty:
// they can do it.
std::string_view needed_piece(const linux::Pieces& pieces, std::string_view key,
                              std::string_view alternative);

// Why a kernel of these pieces does not promise what an invariant says; empty: it does.
std::string_view not_promised(const linux::Pieces& pieces, std::string_view invariant);
// The same for a scenario: by one of the kernels that take part in a live update.
std::string_view not_promised(const Scenario& scenario, std::string_view invariant);

}  // namespace baton::harness
