#include "harness/trace/perfetto_writer.h"

#include <perfetto.pb.h>

#include <array>

#include "sim/check.h"

namespace baton::harness {
namespace {

namespace pb = perfetto::protos;

// Track ids of traces that are opened together should differ: "baton" and a number.
constexpr std::uint64_t kUuidBase = 0x6261'746F'6E00'0000;
constexpr std::uint64_t kCategory = 1;

}  // namespace

// One packet at a time is built and appended: a trace is the concatenation of its packets.
class PerfettoWriter::Encoder {
 public:
  pb::TrackDescriptor& describe() {
    descriptor_.Clear();
    pb::TrackDescriptor& track = *descriptor_.add_packet()->mutable_track_descriptor();
    track.set_uuid(kUuidBase + ++tracks_);
    return track;
  }
  TrackId described() {
    pb::TracePacket& packet = *descriptor_.mutable_packet(0);
    packet.set_trusted_packet_sequence_id(static_cast<std::uint32_t>(TraceSequence::kRun));
    append(descriptor_);
    return TrackId{kUuidBase + tracks_};
  }

  pb::TrackEvent& start(TraceSequence sequence, TrackId track, sim::Time at) {
    const auto index = static_cast<std::size_t>(sequence) - 1;
    sequence_ = &sequences_.at(index);
    BATON_CHECK(at >= sequence_->last, "a trace goes back in time");
    sequence_->last = at;
    event_.Clear();
    packet_ = event_.add_packet();
    packet_->set_timestamp(static_cast<std::uint64_t>(at.ps() / 1000));
    packet_->set_trusted_packet_sequence_id(static_cast<std::uint32_t>(sequence));
    packet_->set_sequence_flags(pb::TracePacket::SEQ_NEEDS_INCREMENTAL_STATE);
    if (!sequence_->started) open_sequence();
    pb::TrackEvent& event = *packet_->mutable_track_event();
    event.set_track_uuid(track.uuid);
    return event;
  }

  void name(pb::TrackEvent& event, std::string_view name) {
    event.add_category_iids(kCategory);
    const auto [id, fresh] = intern(sequence_->names, name);
    event.set_name_iid(id);
    if (!fresh) return;
    pb::EventName& entry = *packet_->mutable_interned_data()->add_event_names();
    entry.set_iid(id);
    entry.set_name(std::string(name));
  }

  void annotate(pb::TrackEvent& event, const TraceArgs& args) {
    for (const TraceArg& arg : args) annotate_one(event, arg);
  }

  // The exact time, and the place in the order of events.
  void stamp(pb::TrackEvent& event, sim::Time at, bool end) {
    annotate_one(event, {end ? "end_ps" : "time_ps", static_cast<std::uint64_t>(at.ps())});
    annotate_one(event, {end ? "end_seq" : "seq", ++number_});
  }

  void finish_event() { append(event_); }

  std::string take() { return std::move(bytes_); }

 private:
  using Names = std::map<std::string, std::uint64_t, std::less<>>;
  struct Sequence {
    bool started = false;
    sim::Time last;
    Names names;
    Names arguments;
  };

  void open_sequence() {
    sequence_->started = true;
    packet_->set_first_packet_on_sequence(true);
    packet_->set_sequence_flags(pb::TracePacket::SEQ_INCREMENTAL_STATE_CLEARED |
                                pb::TracePacket::SEQ_NEEDS_INCREMENTAL_STATE);
    pb::EventCategory& category = *packet_->mutable_interned_data()->add_event_categories();
    category.set_iid(kCategory);
    category.set_name("baton");
  }

  static std::pair<std::uint64_t, bool> intern(Names& names, std::string_view name) {
    if (const auto found = names.find(name); found != names.end()) return {found->second, false};
    const std::uint64_t id = names.size() + 1;
    names.emplace(name, id);
    return {id, true};
  }

  void annotate_one(pb::TrackEvent& event, const TraceArg& arg) {
    pb::DebugAnnotation& annotation = *event.add_debug_annotations();
    const auto [id, fresh] = intern(sequence_->arguments, arg.name);
    annotation.set_name_iid(id);
    if (fresh) {
      pb::DebugAnnotationName& entry =
          *packet_->mutable_interned_data()->add_debug_annotation_names();
      entry.set_iid(id);
      entry.set_name(std::string(arg.name));
    }
    if (const auto* flag = std::get_if<bool>(&arg.value)) annotation.set_bool_value(*flag);
    if (const auto* count = std::get_if<std::uint64_t>(&arg.value)) {
      annotation.set_uint_value(*count);
    }
    if (const auto* number = std::get_if<std::int64_t>(&arg.value)) {
      annotation.set_int_value(*number);
    }
    if (const auto* hex = std::get_if<Hex>(&arg.value)) annotation.set_pointer_value(hex->value);
    if (const auto* text = std::get_if<std::string>(&arg.value)) {
      annotation.set_string_value(*text);
    }
  }

  void append(const pb::Trace& trace) {
    BATON_CHECK(trace.AppendToString(&bytes_), "a trace packet that cannot be encoded");
  }

  std::string bytes_;
  pb::Trace descriptor_;
  pb::Trace event_;
  pb::TracePacket* packet_ = nullptr;
  std::array<Sequence, 2> sequences_;
  Sequence* sequence_ = nullptr;
  std::uint64_t tracks_ = 0;
  std::uint64_t number_ = 0;
};

namespace {

void describe(pb::TrackDescriptor& track, std::string_view name, TrackId parent, int rank) {
  track.set_name(std::string(name));
  track.set_sibling_order_rank(rank);
  track.set_child_ordering(pb::TrackDescriptor::EXPLICIT);
  if (parent.uuid != 0) track.set_parent_uuid(parent.uuid);
}

void add_flow(pb::TrackEvent& event, Flow flow) {
  if (flow.id == 0) return;
  if (flow.ends) {
    event.add_terminating_flow_ids(flow.id);
  } else {
    event.add_flow_ids(flow.id);
  }
}

}  // namespace

PerfettoWriter::PerfettoWriter() : encoder_(std::make_unique<Encoder>()) {}
PerfettoWriter::~PerfettoWriter() = default;

TrackId PerfettoWriter::track(std::string_view name, TrackId parent, int rank) {
  describe(encoder_->describe(), name, parent, rank);
  return encoder_->described();
}

TrackId PerfettoWriter::counter(std::string_view name, TrackId parent, int rank, CounterUnit unit) {
  pb::TrackDescriptor& track = encoder_->describe();
  describe(track, name, parent, rank);
  pb::CounterDescriptor& counter = *track.mutable_counter();
  switch (unit) {
    case CounterUnit::kCount:
      counter.set_unit(pb::CounterDescriptor::UNIT_COUNT);
      break;
    case CounterUnit::kBytes:
      counter.set_unit(pb::CounterDescriptor::UNIT_SIZE_BYTES);
      break;
    case CounterUnit::kBytesPerSecond:
      counter.set_unit_name("B/s");
      break;
  }
  return encoder_->described();
}

void PerfettoWriter::begin(TrackId track, sim::Time at, std::string_view name,
                           const TraceArgs& args, Flow flow) {
  pb::TrackEvent& event = encoder_->start(TraceSequence::kRun, track, at);
  event.set_type(pb::TrackEvent::TYPE_SLICE_BEGIN);
  encoder_->name(event, name);
  encoder_->annotate(event, args);
  encoder_->stamp(event, at, false);
  add_flow(event, flow);
  encoder_->finish_event();
  ++open_[track];
}

void PerfettoWriter::end(TrackId track, sim::Time at, const TraceArgs& args) {
  const auto found = open_.find(track);
  BATON_CHECK(found != open_.end(), "a slice ends that did not begin");
  if (--found->second == 0) open_.erase(found);
  pb::TrackEvent& event = encoder_->start(TraceSequence::kRun, track, at);
  event.set_type(pb::TrackEvent::TYPE_SLICE_END);
  encoder_->annotate(event, args);
  encoder_->stamp(event, at, true);
  encoder_->finish_event();
}

void PerfettoWriter::instant(TrackId track, sim::Time at, std::string_view name,
                             const TraceArgs& args, Flow flow, TraceSequence sequence) {
  pb::TrackEvent& event = encoder_->start(sequence, track, at);
  event.set_type(pb::TrackEvent::TYPE_INSTANT);
  encoder_->name(event, name);
  encoder_->annotate(event, args);
  encoder_->stamp(event, at, false);
  add_flow(event, flow);
  encoder_->finish_event();
}

void PerfettoWriter::count(TrackId track, sim::Time at, std::int64_t value) {
  pb::TrackEvent& event = encoder_->start(TraceSequence::kRun, track, at);
  event.set_type(pb::TrackEvent::TYPE_COUNTER);
  event.set_counter_value(value);
  encoder_->finish_event();
}

unsigned PerfettoWriter::open(TrackId track) const {
  const auto found = open_.find(track);
  return found == open_.end() ? 0 : found->second;
}

std::string PerfettoWriter::finish(sim::Time at) {
  while (!open_.empty()) end(open_.begin()->first, at, {{"cut_by_end_of_run", true}});
  return encoder_->take();
}

}  // namespace baton::harness
