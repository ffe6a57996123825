// The descriptors of DSA devices: in a row per work queue from submission to completion, in a row
// per engine while it works on them, members of batches too; arrows lead from the first to the
// second and to the completion.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "harness/trace/tracer.h"
#include "model/devices/dsa/observations.h"

namespace baton::harness {

class DescriptorTracks {
 public:
  // The group of a function's tracks.
  using GroupOf = std::function<TrackId(const pci::Function&)>;

  DescriptorTracks(Tracer& tracer, sim::Simulation& simulation, GroupOf group_of);
  DescriptorTracks(const DescriptorTracks&) = delete;
  DescriptorTracks& operator=(const DescriptorTracks&) = delete;

  // Everything that this function had in its queues and engines is gone.
  void lose(const pci::Function& function, std::string_view how);
  void finish();

 private:
  struct Queue {
    Lanes lanes;
    TrackId depth;
    std::int64_t queued = 0;  // not begun by an engine
  };
  struct InFlight {
    std::uint32_t wq = 0;
    TrackId lane;
    bool begun = false;
  };
  struct Work {
    std::uint32_t engine = 0;
    TrackId lane;
  };
  // A batch and its members share a ticket.
  using WorkKey = std::pair<std::uint64_t, std::optional<std::uint32_t>>;
  struct Device {
    std::uint64_t number = 0;
    TrackId group;
    TrackId completions;
    std::map<std::uint32_t, Queue> queues;
    std::map<std::uint32_t, Lanes> engines;
    std::map<std::uint64_t, InFlight> in_flight;  // by ticket
    std::map<WorkKey, Work> working;
  };

  Device& device(const pci::Function& function);
  Queue& queue(Device& device, std::uint32_t wq);
  Lanes& engine(Device& device, std::uint32_t engine);
  void on_submitted(const devices::dsa::DescriptorSubmitted& seen);
  void on_started(const devices::dsa::DescriptorStarted& seen);
  void on_done(const devices::dsa::DescriptorDone& seen);
  void on_abandoned(const devices::dsa::DescriptorsAbandoned& seen);
  void lose(Device& device, std::uint64_t ticket, std::string_view how);

  Tracer& tracer_;
  GroupOf group_of_;
  using Devices = std::map<std::string, Device, std::less<>>;
  Devices devices_;                      // by name
  Devices::value_type* last_ = nullptr;  // the one that was asked for
};

}  // namespace baton::harness
