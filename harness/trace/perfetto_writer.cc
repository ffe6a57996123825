#include "harness/trace/perfetto_writer.h"

#include <array>

#include "harness/trace/interned_names.h"
#include "harness/trace/proto_bytes.h"
#include "sim/check.h"

namespace baton::harness {
namespace {

// Field numbers of proto/perfetto.proto.
namespace trace {
constexpr unsigned kPacket = 1;
}
namespace packet {
constexpr unsigned kTimestamp = 8, kSequenceId = 10, kTrackEvent = 11, kInternedData = 12,
                   kSequenceFlags = 13, kTrackDescriptor = 60, kFirstOnSequence = 87;
constexpr unsigned kStateCleared = 1, kNeedsState = 2;  // sequence_flags
}  // namespace packet
namespace descriptor {
constexpr unsigned kUuid = 1, kName = 2, kParentUuid = 5, kCounter = 8, kChildOrdering = 11,
                   kSiblingOrderRank = 12;
constexpr unsigned kExplicit = 3;  // child_ordering
constexpr unsigned kCounterUnit = 3, kCounterUnitName = 6;
constexpr unsigned kUnitCount = 2, kUnitSizeBytes = 3;
}  // namespace descriptor
namespace event {
constexpr unsigned kCategory = 3, kAnnotation = 4, kType = 9, kNameId = 10, kTrackUuid = 11,
                   kCounterValue = 30, kFlow = 47, kTerminatingFlow = 48;
}  // namespace event
namespace annotation {
constexpr unsigned kNameId = 1, kBool = 2, kUint = 3, kInt = 4, kString = 6, kPointer = 7;
}
namespace interned {
constexpr unsigned kCategory = 1, kEventName = 2, kAnnotationName = 3;
constexpr unsigned kId = 1, kText = 2;
}  // namespace interned

enum class EventType : std::uint8_t { kSliceBegin = 1, kSliceEnd, kInstant, kCounter };

// Track ids of traces that are opened together should differ: "baton" and a number.
constexpr std::uint64_t kUuidBase = 0x6261'746F'6E00'0000;
constexpr std::uint64_t kCategory = 1;

}  // namespace

// A trace is the concatenation of its packets, which are written one after the other in place.
class PerfettoWriter::Encoder {
 public:
  struct Unit {
    unsigned unit = 0;
    std::string_view name{};
  };
  TrackId describe(std::string_view name, TrackId parent, int rank, const Unit* unit) {
    const TrackId track{kUuidBase + ++tracks_};
    const ProtoBytes::Open packet = bytes_.open(trace::kPacket);
    bytes_.number(packet::kSequenceId, static_cast<std::uint64_t>(TraceSequence::kRun));
    const ProtoBytes::Open described = bytes_.open(packet::kTrackDescriptor);
    bytes_.number(descriptor::kUuid, track.uuid);
    bytes_.bytes(descriptor::kName, name);
    if (parent.uuid != 0) bytes_.number(descriptor::kParentUuid, parent.uuid);
    if (unit != nullptr) {
      const ProtoBytes::Open counter = bytes_.open(descriptor::kCounter);
      if (unit->unit != 0) bytes_.number(descriptor::kCounterUnit, unit->unit);
      if (!unit->name.empty()) bytes_.bytes(descriptor::kCounterUnitName, unit->name);
      bytes_.close(counter);
    }
    bytes_.number(descriptor::kChildOrdering, descriptor::kExplicit);
    bytes_.signed_number(descriptor::kSiblingOrderRank, rank);
    bytes_.close(described);
    bytes_.close(packet);
    return track;
  }

  // An event is put together between start() and finish_event().
  void start(TraceSequence sequence, EventType type, TrackId track, sim::Time at) {
    const auto index = static_cast<std::size_t>(sequence) - 1;
    sequence_ = &sequences_.at(index);
    BATON_CHECK(at >= sequence_->last, "a trace goes back in time");
    sequence_->last = at;
    first_ = !sequence_->started;
    sequence_->started = true;
    packet_ = bytes_.open(trace::kPacket);
    bytes_.number(packet::kTimestamp, static_cast<std::uint64_t>(at.ps() / 1000));
    bytes_.number(packet::kSequenceId, static_cast<std::uint64_t>(sequence));
    bytes_.number(packet::kSequenceFlags,
                  first_ ? packet::kStateCleared | packet::kNeedsState : packet::kNeedsState);
    if (first_) {
      bytes_.number(packet::kFirstOnSequence, 1);
      introduce(interned::kCategory, kCategory, "baton");
    }
    event_ = bytes_.open(packet::kTrackEvent);
    bytes_.number(event::kType, static_cast<std::uint64_t>(type));
    bytes_.number(event::kTrackUuid, track.uuid);
  }
  void name(std::string_view name) {
    const auto [id, fresh] = sequence_->names.intern(name);
    if (fresh) introduce(interned::kEventName, id, name);
    bytes_.number(event::kCategory, kCategory);
    bytes_.number(event::kNameId, id);
  }
  void annotate(const TraceArgs& args) {
    for (const TraceArg& arg : args) annotate_one(arg);
  }
  // The exact time, and the place in the order of events.
  void stamp(bool end) {
    annotate_number(end ? "end_ps" : "time_ps", annotation::kUint,
                    static_cast<std::uint64_t>(sequence_->last.ps()));
    annotate_number(end ? "end_seq" : "seq", annotation::kUint, ++number_);
  }
  void counter_value(std::int64_t value) { bytes_.signed_number(event::kCounterValue, value); }
  void flow(Flow flow) {
    if (flow.id != 0) bytes_.fixed(flow.ends ? event::kTerminatingFlow : event::kFlow, flow.id);
  }

  void finish_event() {
    bytes_.close(event_);
    if (!interned_.empty()) {
      bytes_.bytes(packet::kInternedData, interned_.view());
      interned_.clear();
    }
    bytes_.close(packet_);
  }

  std::string take() { return bytes_.take(); }

 private:
  struct Sequence {
    bool started = false;
    sim::Time last;
    InternedNames names;
    InternedNames arguments;
  };

  // What this packet names for the first time.
  void introduce(unsigned field, std::uint64_t id, std::string_view text) {
    interned_.begin(field,
                    2 + ProtoBytes::size_of(id) + ProtoBytes::size_of(text.size()) + text.size());
    interned_.number(interned::kId, id);
    interned_.bytes(interned::kText, text);
  }

  std::uint64_t argument(std::string_view name) {
    const auto [id, fresh] = sequence_->arguments.intern_static(name);
    if (fresh) introduce(interned::kAnnotationName, id, name);
    return id;
  }
  void annotate_number(std::string_view name, unsigned field, std::uint64_t value) {
    bytes_.two_numbers(event::kAnnotation, annotation::kNameId, argument(name), field, value);
  }
  void annotate_one(const TraceArg& arg) {
    if (const auto* flag = std::get_if<bool>(&arg.value)) {
      annotate_number(arg.name, annotation::kBool, *flag ? 1 : 0);
    } else if (const auto* count = std::get_if<std::uint64_t>(&arg.value)) {
      annotate_number(arg.name, annotation::kUint, *count);
    } else if (const auto* number = std::get_if<std::int64_t>(&arg.value)) {
      annotate_number(arg.name, annotation::kInt, static_cast<std::uint64_t>(*number));
    } else if (const auto* hex = std::get_if<Hex>(&arg.value)) {
      annotate_number(arg.name, annotation::kPointer, hex->value);
    } else if (const auto* text = std::get_if<std::string>(&arg.value)) {
      const std::uint64_t id = argument(arg.name);
      bytes_.begin(event::kAnnotation,
                   2 + ProtoBytes::size_of(id) + ProtoBytes::size_of(text->size()) + text->size());
      bytes_.number(annotation::kNameId, id);
      bytes_.bytes(annotation::kString, *text);
    }
  }

  ProtoBytes bytes_;
  std::array<Sequence, 2> sequences_;
  std::uint64_t tracks_ = 0;
  std::uint64_t number_ = 0;

  // Of the event that is being put together.
  Sequence* sequence_ = nullptr;
  bool first_ = false;  // of its sequence
  ProtoBytes::Open packet_{};
  ProtoBytes::Open event_{};
  ProtoBytes interned_;
};

PerfettoWriter::PerfettoWriter() : encoder_(std::make_unique<Encoder>()) {}
PerfettoWriter::~PerfettoWriter() = default;

TrackId PerfettoWriter::track(std::string_view name, TrackId parent, int rank) {
  return add(encoder_->describe(name, parent, rank, nullptr));
}

TrackId PerfettoWriter::counter(std::string_view name, TrackId parent, int rank, CounterUnit unit) {
  Encoder::Unit described;
  switch (unit) {
    case CounterUnit::kCount:
      described.unit = descriptor::kUnitCount;
      break;
    case CounterUnit::kBytes:
      described.unit = descriptor::kUnitSizeBytes;
      break;
    case CounterUnit::kBytesPerSecond:
      described.name = "B/s";
      break;
  }
  return add(encoder_->describe(name, parent, rank, &described));
}

// Tracks are numbered from 1 up.
TrackId PerfettoWriter::add(TrackId track) {
  open_.resize(track.uuid - kUuidBase + 1);
  return track;
}

unsigned* PerfettoWriter::opened(TrackId track) {
  const std::uint64_t number = track.uuid - kUuidBase;
  return number < open_.size() ? &open_[number] : nullptr;
}

void PerfettoWriter::begin(TrackId track, sim::Time at, std::string_view name,
                           const TraceArgs& args, Flow flow) {
  unsigned* const open = opened(track);
  BATON_CHECK(open != nullptr, "a slice on a track that nobody described");
  encoder_->start(TraceSequence::kRun, EventType::kSliceBegin, track, at);
  encoder_->name(name);
  encoder_->annotate(args);
  encoder_->stamp(false);
  encoder_->flow(flow);
  encoder_->finish_event();
  ++*open;
}

void PerfettoWriter::end(TrackId track, sim::Time at, const TraceArgs& args) {
  unsigned* const open = opened(track);
  BATON_CHECK(open != nullptr && *open != 0, "a slice ends that did not begin");
  --*open;
  encoder_->start(TraceSequence::kRun, EventType::kSliceEnd, track, at);
  encoder_->annotate(args);
  encoder_->stamp(true);
  encoder_->finish_event();
}

void PerfettoWriter::instant(TrackId track, sim::Time at, std::string_view name,
                             const TraceArgs& args, Flow flow, TraceSequence sequence) {
  encoder_->start(sequence, EventType::kInstant, track, at);
  encoder_->name(name);
  encoder_->annotate(args);
  encoder_->stamp(false);
  encoder_->flow(flow);
  encoder_->finish_event();
}

void PerfettoWriter::count(TrackId track, sim::Time at, std::int64_t value) {
  encoder_->start(TraceSequence::kRun, EventType::kCounter, track, at);
  encoder_->counter_value(value);
  encoder_->finish_event();
}

unsigned PerfettoWriter::open(TrackId track) const {
  const std::uint64_t number = track.uuid - kUuidBase;
  return number < open_.size() ? open_[number] : 0;
}

std::string PerfettoWriter::finish(sim::Time at) {
  for (std::size_t number = 0; number < open_.size(); ++number) {
    while (open_[number] != 0) end({kUuidBase + number}, at, {{"cut_by_end_of_run", true}});
  }
  return encoder_->take();
}

}  // namespace baton::harness
