#include "harness/scenario/state_reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "model/devices/dsa/state_machine.h"
#include "model/iommufd/state_machine.h"
#include "model/linux/pci/tracking.h"
#include "model/luo/state_machine.h"
#include "model/vfio/state_machine.h"

namespace baton::harness {
namespace {

// Mermaid knows no hyphens in the names of states.
std::string node(std::string_view state) {
  std::string text(state);
  std::ranges::replace(text, '-', '_');
  return text;
}

std::string refusal(linux::Errno error) { return std::string(linux::name(error)); }
std::string refusal(devices::dsa::CommandError error) {
  return fmt::format("CMDSTATUS {:02X}h", static_cast<unsigned>(error));
}
std::string refusal(devices::dsa::SoftwareError error) {
  return fmt::format("SWERROR {:02X}h", static_cast<unsigned>(error));
}

// One arrow for each pair of states, with all events that go that way.
template <class State, class Event, class Refusal>
std::string diagram(const sim::StateTable<State, Event, Refusal>& table,
                    std::initializer_list<State> initial) {
  std::string out = "```mermaid\nstateDiagram-v2\n";
  for (const State state : initial) out += fmt::format("  [*] --> {}\n", node(table.name(state)));
  std::vector<std::pair<std::string, std::string>> arrows;
  for (const auto& row : table.rows()) {
    if (row.refused || row.next == row.state) continue;
    const std::string arrow = node(table.name(row.state)) + " --> " + node(table.name(row.next));
    const auto found =
        std::ranges::find(arrows, arrow, &std::pair<std::string, std::string>::first);
    if (found == arrows.end()) {
      arrows.emplace_back(arrow, table.name(row.event));
    } else {
      found->second += fmt::format(" / {}", table.name(row.event));
    }
  }
  for (const auto& [arrow, label] : arrows) out += fmt::format("  {}: {}\n", arrow, label);
  return out + "```\n";
}

template <class State, class Event, class Refusal>
std::string page(std::string_view title, std::string_view text,
                 const sim::StateTable<State, Event, Refusal>& table,
                 std::initializer_list<State> initial) {
  std::string out = fmt::format("\n## {}\n\n{}\n\n", title, text);
  out += diagram(table, initial);
  out += "\n| state | event | next state | refused | guard | source |\n|---|---|---|---|---|---|\n";
  for (const auto& row : table.rows()) {
    const bool stays = row.next == row.state;
    out += fmt::format("| {} | {} | {} | {} | {} | {} |\n", table.name(row.state),
                       table.name(row.event),
                       row.refused ? std::string_view("")
                       : stays     ? std::string_view("the same")
                                   : table.name(row.next),
                       row.refused ? refusal(*row.refused) : std::string(), row.guard, row.source);
  }
  return out;
}

std::string of_luo() {
  using luo::FileState;
  using luo::FlbState;
  using luo::SessionState;
  return page("LUO session",
              "Made by this kernel (outgoing), or found from the previous one (unretrieved). What "
              "is refused\nleaves the session as it is.",
              luo::session_table(), {SessionState::kOutgoing, SessionState::kUnretrieved}) +
         page("LUO file",
              "In the old kernel from preserved on, in the new one from not-retrieved on.",
              luo::file_table(), {FileState::kPreserved, FileState::kNotRetrieved}) +
         page("File-lifecycle-bound object (FLB)",
              "What files of a handler share. Its outgoing and its incoming side are two machines "
              "of one table:\nthe incoming one goes from unused to unretrieved when the previous "
              "kernel lists it.",
              luo::flb_table(), {FlbState::kUnused});
}

std::string of_vfio() {
  using vfio::DeviceStage;
  using vfio::FileState;
  return page("VFIO device file",
              "A descriptor of a device: whether it has the device at all. A file that a group "
              "gives out has it\nfrom the start; one that a session gives out is like one just "
              "opened.",
              vfio::file_table(),
              {FileState::kOpened, FileState::kRetrieved, FileState::kOfGroup}) +
         page("VFIO device",
              "Asked after the file, by every request that its file lets through. An open of the "
              "character device\nchanges no state; whether it is allowed while a handover is not "
              "finished is the PCI core's (below),\nand EBUSY if not. Interrupts, power state and "
              "a driver that waits to be removed are guards.",
              vfio::device_table(), {DeviceStage::kClosed});
}

std::string of_iommufd() {
  using iommufd::AttachState;
  using iommufd::ContextState;
  using iommufd::HwptState;
  using iommufd::IoasState;
  return page("iommufd",
              "The context behind a descriptor. Only generation `phase2` retrieves one: as posted "
              "(phase 1)\nLIVEUPDATE_SESSION_RETRIEVE_FD is EOPNOTSUPP, and its session is never "
              "finished.",
              iommufd::context_table(), {ContextState::kOpen}) +
         page("iommufd: IOAS", "Whether its areas can change.", iommufd::ioas_table(),
              {IoasState::kMutable, IoasState::kRestored}) +
         page("iommufd: HWPT",
              "There is no way back from marked to plain. What is plain when its iommufd is "
              "preserved is left out.",
              iommufd::hwpt_table(), {HwptState::kPlain, HwptState::kRestored}) +
         page("iommufd: device",
              "A device that is bound, and its attachment without PASID. One that is reclaimed "
              "after a live update\nis attached at once if the IOMMU core has its domain.",
              iommufd::attach_table(), {AttachState::kBound});
}

std::string of_pci() {
  using linux::pci::IncomingState;
  using linux::pci::OutgoingState;
  return page("PCI function, towards the next kernel",
              "Endpoints by their driver; bridges and physical functions with what is preserved "
              "below them, whose\nnumber their record counts. Only the first reference and the "
              "last change the state.",
              linux::pci::outgoing_table(), {OutgoingState::kPlain}) +
         page("PCI function, from the previous kernel",
              "When the last file of a driver is finished while a function is still incoming, the "
              "kernel panics and\nnames each.",
              linux::pci::incoming_table(), {IncomingState::kNotHandedOver});
}

std::string of_dsa() {
  using devices::dsa::CommandState;
  using devices::dsa::DeviceState;
  using devices::dsa::WqState;
  return page("DSA",
              "GENSTS. What is checked of a command before and after its row, with its error: a "
              "command that does\nnot exist (01h), reserved bits of the operand (04h, but not in "
              "halt), queues that do not exist (02h).\nA command that is refused leaves "
              "everything as it is.",
              devices::dsa::device_table(), {DeviceState::kDisabled}) +
         page("DSA work queue",
              "WQCFG. A descriptor is accepted by an enabled queue of an enabled device, else "
              "dropped without a\nword. A queue keeps its state when the device halts.",
              devices::dsa::wq_table(), {WqState::kDisabled}) +
         page("DSA command register",
              "CMD and CMDSTATUS: one command at a time. One that finds another active is dropped "
              "and logged.",
              devices::dsa::command_table(), {CommandState::kIdle});
}

}  // namespace

std::string state_reference() {
  return "# State machines\n\n"
         "Generated by `baton schema --format states` from the tables that the simulated kernels "
         "and devices\napply. One function applies a row and is the only writer of the state. A "
         "test walks every pair of\nstate and event: a pair without a row cannot come about, and "
         "stops the run as a bug in baton if it\ndoes. What is refused changes nothing. A guard "
         "says when it is this row, and in brackets what the\ncall is answered when it is "
         "not.\n" +
         of_luo() + of_vfio() + of_iommufd() + of_pci() + of_dsa();
}

}  // namespace baton::harness
