// The commands of NVMe controllers: the I/O queues' from doorbell over the controller's work to the
// completion entry, with arrows, and how many are outstanding; admin commands as instants.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "harness/trace/tracer.h"
#include "model/devices/nvme/observations.h"

namespace baton::harness {

class CommandTracks {
 public:
  using GroupOf = std::function<TrackId(const pci::Function&)>;

  CommandTracks(Tracer& tracer, sim::Simulation& simulation, GroupOf group_of);
  CommandTracks(const CommandTracks&) = delete;
  CommandTracks& operator=(const CommandTracks&) = delete;

  // Everything that this controller was asked for is gone.
  void lose(const pci::Function& function, std::string_view how);
  void finish();

 private:
  struct Work {
    std::uint64_t ticket = 0;
    TrackId lane;
  };
  struct Device {
    std::uint64_t number = 0;
    TrackId submissions;
    TrackId completions;
    TrackId admin;
    TrackId outstanding;
    Lanes lanes;
    std::uint64_t last_ticket = 0;
    // By queue: tickets that the controller has not fetched yet, oldest first; it fetches in order.
    std::map<std::uint16_t, std::deque<std::uint64_t>> waiting;
    // By queue and command id; two only if software gave out an id twice.
    std::map<std::pair<std::uint16_t, std::uint16_t>, std::vector<Work>> working;
  };

  Device& device(const pci::Function& function);
  void on_submitted(const devices::nvme::CommandsSubmitted& seen);
  void on_started(const devices::nvme::CommandStarted& seen);
  void on_done(const devices::nvme::CommandDone& seen);
  void end_flow(Device& device, std::uint64_t ticket, std::string_view how);
  void count(Device& device);

  Tracer& tracer_;
  GroupOf group_of_;
  std::map<std::string, Device, std::less<>> devices_;  // by name
};

}  // namespace baton::harness
