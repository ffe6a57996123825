// The views, one function each, as the rows of show_rows.cc name them.
#pragma once

#include "harness/show/show.h"

namespace baton::harness {

// view_pci.cc
ShowResult show_lspci(const ShowContext& context, std::ostream& out);
ShowResult show_topology(const ShowContext& context, std::ostream& out);
std::string topology_text(const TopologySnapshot& snapshot);
std::string topology_dot(const TopologySnapshot& snapshot);
std::string topology_json(const TopologySnapshot& snapshot);

// view_config_writes.cc
ShowResult show_config_writes(const ShowContext& context, std::ostream& out);

// view_vectors.cc
ShowResult show_vectors(const ShowContext& context, std::ostream& out);

// dmar.cc
ShowResult show_dmar(const ShowContext& context, std::ostream& out);

// view_luo.cc
ShowResult show_luo(const ShowContext& context, std::ostream& out);
ShowResult show_kho_fdt(const ShowContext& context, std::ostream& out);

// view_handoff.cc
ShowResult show_handoff(const ShowContext& context, std::ostream& out);

// view_flow.cc
ShowResult show_flow(const ShowContext& context, std::ostream& out);

// view_memory.cc
ShowResult show_memory(const ShowContext& context, std::ostream& out);

// view_records.cc
ShowResult show_ledger(const ShowContext& context, std::ostream& out);
ShowResult show_timeline(const ShowContext& context, std::ostream& out);
ShowResult show_critical_path(const ShowContext& context, std::ostream& out);

}  // namespace baton::harness
