// One group of tracks per device of the scenario: the rate of its memory accesses, what was
// refused, configuration writes, resets, interrupt messages; of a DSA each descriptor from
// submission to completion, with an arrow to the engine that works on it, and the depth of each
// work queue; of an NVMe controller each command. Other functions of the host appear when their
// configuration is written.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "harness/invariants/watch.h"
#include "harness/scenario/scenario.h"
#include "harness/trace/command_tracks.h"
#include "harness/trace/descriptor_tracks.h"
#include "harness/trace/tracer.h"
#include "model/pci/observations.h"

namespace baton::harness {

class DeviceTracks {
 public:
  DeviceTracks(Tracer& tracer, Watch& watch, const Scenario& scenario, TrackId root, int rank);
  DeviceTracks(const DeviceTracks&) = delete;
  DeviceTracks& operator=(const DeviceTracks&) = delete;

  // Where messages of this requester are shown.
  TrackId messages(Bdf requester);
  void finish();

 private:
  struct Device {
    TrackId group;
    TrackId config;
    std::optional<TrackId> refused;
    std::optional<TrackId> messages;
    Rate* written = nullptr;
    Rate* read = nullptr;
  };
  using Devices = std::map<std::string, Device, std::less<>>;

  void subscribe_to_config(sim::Simulation& simulation);
  void add(const pci::Function& function, int rank);
  Device& device(const pci::Function& function);
  void on_config_access(const host::ConfigAccess& seen);
  void on_request(const pci::RequestDone& seen);

  Tracer& tracer_;
  TrackId group_;
  TrackId others_;
  Devices devices_;                      // by name
  Devices::value_type* last_ = nullptr;  // the one that was asked for
  std::vector<const pci::Function*> added_;
  std::optional<TrackId> other_messages_;
  // The write that the access being published has made.
  std::optional<pci::ConfigWritten> written_;
  DescriptorTracks descriptors_;
  CommandTracks commands_;
};

}  // namespace baton::harness
