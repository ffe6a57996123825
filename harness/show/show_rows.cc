// The table of what can be shown.
#include <algorithm>
#include <array>

#include "harness/show/views.h"

namespace baton::harness {
namespace {

constexpr std::array<std::string_view, 1> kText{"text"};
constexpr std::array<std::string_view, 2> kTextJson{"text", "json"};
constexpr std::array<std::string_view, 3> kTextDotJson{"text", "dot", "json"};
constexpr std::array<std::string_view, 3> kTextSvgJson{"text", "svg", "json"};
constexpr std::array<std::string_view, 1> kJson{"json"};
constexpr std::array<std::string_view, 1> kRaw{"raw"};

constexpr std::array kRows{
    ShowRow{"lspci", "the configuration space of every function, for lspci -F", kText, false,
            show_lspci},
    ShowRow{"topology", "buses, bridges and functions with their windows, BARs and owners",
            kTextDotJson, false, show_topology},
    ShowRow{"config-writes", "who wrote which configuration register in which phase", kTextJson,
            false, show_config_writes},
    ShowRow{"dmar", "remapping units as debugfs shows them: registers, tables, interrupt entries",
            kText, false, show_dmar},
    ShowRow{"luo", "sessions, files and FLBs, decoded from preserved memory", kTextJson, false,
            show_luo},
    ShowRow{"kho-fdt", "the root FDT of the handover, for dtc", kRaw, true, show_kho_fdt},
    ShowRow{"handoff", "what the running kernel was booted with, setup_data decoded", kJson, false,
            show_handoff},
    ShowRow{"vectors", "MSI-X entries and how they are routed to a CPU", kTextJson, false,
            show_vectors},
    ShowRow{"ledger", "every object: who made, preserved and restored it, what became of it",
            kTextJson, false, show_ledger},
    ShowRow{"timeline", "phases, boot steps, sessions, guests, resets and faults so far", kTextJson,
            false, show_timeline},
    ShowRow{"critical-path", "what each guest's pause is made of, and what bounds each part",
            kTextJson, false, show_critical_path},
    ShowRow{"flow", "the live update as a sequence chart: user space, LUO, drivers, hardware",
            kTextSvgJson, false, show_flow},
    ShowRow{"memory", "RAM as an ELF core file, pages with content of their own", kRaw, true,
            show_memory},
};

}  // namespace

std::span<const ShowRow> show_rows() { return kRows; }

const ShowRow* show_row(std::string_view what) {
  const auto found = std::ranges::find(kRows, what, &ShowRow::what);
  return found == kRows.end() ? nullptr : &*found;
}

}  // namespace baton::harness
