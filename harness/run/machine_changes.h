// What somebody does to the host [machine.changes]: at the instant of a jump, after the old kernel
// and before the new one; or at a time of its own, while a kernel runs: a card is pulled out.
//
// A card that is moved, exchanged or taken out loses its power: it comes back as after power-on,
// without addresses, because no firmware runs at a kexec. What firmware renumbers keeps running.
//
// A bridge whose numbers are lost routes nothing below it; one whose primary number is wrong goes
// on as before, for hardware does not look at it, and is broken to a kernel that does.
//
// Not modelled: the time that hands need; a slot's attention button; events of a slot at a jump;
// bridges put in between.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/run/host_builder.h"
#include "harness/scenario/scenario.h"

namespace baton::harness {

class MachineChanges {
 public:
  // All three outlive it. Cards that are inserted later are taken out of their slots.
  MachineChanges(sim::Simulation& simulation, BuiltHost& host, const MachineSpec& spec);

  // Makes a change now. The error is a sentence that says why it cannot be made.
  std::expected<void, std::string> make(const MachineChange& change);

  // Arranges that each change is made at its jump. Those that can no longer be made are noted.
  void arrange();
  // When the next card is pulled out, by the time at which the script's begins; nullopt: none.
  std::optional<sim::Time> next(std::optional<sim::Time> started) const;
  // Pulls out what is due now.
  void pull_due(sim::Time started);
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  std::expected<void, std::string> move(const MachineChange& change);
  std::expected<void, std::string> exchange(const MachineChange& change);
  std::expected<void, std::string> insert(const MachineChange& change);
  std::expected<void, std::string> change_buses(const MachineChange& change);
  std::expected<void, std::string> renumber(const MachineChange& change);
  std::expected<void, std::string> swap_segments(const MachineChange& change);
  std::unique_ptr<pci::Function> take_out(pci::Function& function);
  void put_away(std::unique_ptr<pci::Function> function);
  void pull(const MachineChange& change);

  // Where a card belongs that is inserted later.
  struct Slot {
    std::size_t device = 0;
    pci::Bus* bus = nullptr;
    Bdf place;
  };

  sim::Simulation& simulation_;
  BuiltHost& host_;
  const MachineSpec& spec_;
  pci::Decoder nobody_;
  pci::Bus drawer_;  // where cards lie that are in no slot
  std::vector<Slot> slots_;
  std::vector<std::string> notes_;
  std::vector<const MachineChange*> to_pull_;  // in the order of their times
};

// What a change does, for people.
std::string change_text(const MachineChange& change, const MachineSpec& spec);

}  // namespace baton::harness
