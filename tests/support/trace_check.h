// A reader of traces that shares nothing with their writer but the schema: says what is wrong.
#pragma once

#include <perfetto.pb.h>

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace baton::testing {

namespace pb = ::perfetto::protos;

class TraceCheck {
 public:
  explicit TraceCheck(const std::string& bytes) {
    if (!trace_.ParseFromString(bytes)) {
      problems_.emplace_back("not a trace");
      return;
    }
    for (const pb::TracePacket& packet : trace_.packet()) {
      if (!packet.unknown_fields().empty()) problem("a packet has unknown fields");
      if (packet.has_track_descriptor()) read(packet.track_descriptor());
      if (packet.has_interned_data()) intern(packet);
      if (packet.has_track_event()) read(packet);
    }
    for (const auto& [track, depth] : depth_) {
      if (depth != 0) problem(fmt::format("{} slices of track {} do not end", depth, name(track)));
    }
    for (const auto& [id, flow] : flows_) {
      if (flow.events < 2) problem(fmt::format("flow {:#x} has one event only", id));
      if (!flow.ended) problem(fmt::format("flow {:#x} does not end", id));
    }
  }

  const std::vector<std::string>& problems() const { return problems_; }
  const pb::Trace& trace() const { return trace_; }

  // "root/handover": where a track is.
  std::string path(std::uint64_t track) const {
    const pb::TrackDescriptor& descriptor = tracks_.at(track);
    if (!descriptor.has_parent_uuid()) return {};
    const std::string parent = path(descriptor.parent_uuid());
    return parent.empty() ? descriptor.name() : parent + "/" + descriptor.name();
  }
  std::set<std::string> paths() const {
    std::set<std::string> result;
    for (const auto& [uuid, descriptor] : tracks_) result.insert(path(uuid));
    return result;
  }
  // Names of slices and instants below a path, in order.
  std::vector<std::string> events(const std::string& at) const {
    std::vector<std::string> result;
    for (const auto& [track, event] : named_) {
      if (path(track) == at) result.push_back(event);
    }
    return result;
  }
  // A number that an event tells under this name.
  std::optional<std::uint64_t> fact(const pb::TracePacket& packet, const std::string& name) const {
    const Sequence& sequence = sequences_.at(packet.trusted_packet_sequence_id());
    for (const pb::DebugAnnotation& each : packet.track_event().debug_annotations()) {
      const auto known = sequence.arguments.find(each.name_iid());
      if (known != sequence.arguments.end() && known->second == name) return each.uint_value();
    }
    return std::nullopt;
  }
  std::size_t flows() const { return flows_.size(); }
  // The paths of the tracks that the flow of this id visits.
  std::vector<std::string> visits(std::uint64_t flow) const {
    std::vector<std::string> result;
    const auto found = flows_.find(flow);
    if (found == flows_.end()) return result;
    for (const std::uint64_t track : found->second.tracks) result.push_back(path(track));
    return result;
  }

 private:
  struct Flow {
    unsigned events = 0;
    bool ended = false;
    std::vector<std::uint64_t> tracks;
  };
  struct Sequence {
    std::uint64_t last = 0;
    std::map<std::uint64_t, std::string> names;
    std::map<std::uint64_t, std::string> arguments;
  };

  void problem(std::string text) { problems_.push_back(std::move(text)); }
  std::string name(std::uint64_t track) const {
    const auto found = tracks_.find(track);
    return found == tracks_.end() ? fmt::format("{:#x}", track) : found->second.name();
  }

  void read(const pb::TrackDescriptor& descriptor) {
    if (descriptor.has_parent_uuid() && !tracks_.contains(descriptor.parent_uuid())) {
      problem(fmt::format("the parent of track {} has no descriptor", descriptor.name()));
    }
    if (!tracks_.emplace(descriptor.uuid(), descriptor).second) {
      problem(fmt::format("two descriptors of track {}", descriptor.name()));
    }
  }

  void intern(const pb::TracePacket& packet) {
    Sequence& sequence = sequences_[packet.trusted_packet_sequence_id()];
    const pb::InternedData& data = packet.interned_data();
    for (const pb::EventName& each : data.event_names()) sequence.names[each.iid()] = each.name();
    for (const pb::DebugAnnotationName& each : data.debug_annotation_names()) {
      sequence.arguments[each.iid()] = each.name();
    }
  }

  void read(const pb::TracePacket& packet) {
    const pb::TrackEvent& event = packet.track_event();
    Sequence& sequence = sequences_[packet.trusted_packet_sequence_id()];
    if (packet.timestamp() < sequence.last) problem("time goes back");
    sequence.last = packet.timestamp();
    const std::uint64_t track = event.track_uuid();
    if (!tracks_.contains(track)) {
      problem(fmt::format("no descriptor of track {:#x}", track));
      return;
    }
    const bool counter = event.type() == pb::TrackEvent::TYPE_COUNTER;
    if (counter != tracks_[track].has_counter()) problem("an event on the wrong kind of track");
    if (event.type() == pb::TrackEvent::TYPE_SLICE_BEGIN) ++depth_[track];
    if (event.type() == pb::TrackEvent::TYPE_SLICE_END && --depth_[track] < 0) {
      problem(fmt::format("a slice of track {} ends that did not begin", name(track)));
    }
    if (event.has_name_iid()) {
      if (!sequence.names.contains(event.name_iid())) problem("a name that is not interned");
      named_.emplace_back(track, sequence.names[event.name_iid()]);
    }
    for (const pb::DebugAnnotation& each : event.debug_annotations()) {
      if (!sequence.arguments.contains(each.name_iid())) problem("an argument without a name");
    }
    for (const std::uint64_t id : event.flow_ids()) follow(id, track, false);
    for (const std::uint64_t id : event.terminating_flow_ids()) follow(id, track, true);
  }

  void follow(std::uint64_t id, std::uint64_t track, bool ends) {
    Flow& flow = flows_[id];
    if (flow.ended) problem(fmt::format("flow {:#x} goes on after its end", id));
    ++flow.events;
    flow.ended = ends;
    flow.tracks.push_back(track);
  }

  pb::Trace trace_;
  std::vector<std::string> problems_;
  std::map<std::uint64_t, pb::TrackDescriptor> tracks_;
  std::map<std::uint64_t, int> depth_;
  std::map<std::uint64_t, Flow> flows_;
  std::map<std::uint32_t, Sequence> sequences_;
  std::vector<std::pair<std::uint64_t, std::string>> named_;
};

}  // namespace baton::testing
