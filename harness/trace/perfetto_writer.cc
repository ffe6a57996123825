#include "harness/trace/perfetto_writer.h"

#include <array>

#include "harness/trace/interned_names.h"
#include "harness/trace/proto_fields.h"
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

constexpr std::uint64_t kCategory = 1;

// What every event is stamped with: the exact time and its place in the order of events, of its end
// for a slice that ends, because an end's facts are shown beside those of the begin. Their numbers
// among the names of facts are their places here.
constexpr std::array<std::string_view, 4> kStamps{"time_ps", "seq", "end_ps", "end_seq"};
constexpr std::uint64_t kTimeStamp = 1, kEndStamp = 3;

// Bytes that hold whatever is put, beside texts: of a descriptor; of an event, its name put in for
// the first time; of a fact, too.
constexpr std::size_t kDescriptorRoom = 128, kEventRoom = 192, kFactRoom = 64;

}  // namespace

// A trace is the concatenation of its packets, which are written one after the other in place.
class PerfettoWriter::Encoder {
 public:
  explicit Encoder(TraceSink sink) : block_(std::move(sink)) {}

  struct Unit {
    unsigned unit = 0;
    std::string_view name{};
  };
  TrackId describe(std::string_view name, TrackId parent, int rank, const Unit* unit) {
    const TrackId track{++tracks_};
    char* at = block_.room(kDescriptorRoom + name.size());
    char* const fields = at = open_message(at, trace::kPacket);
    at = put_number(at, packet::kSequenceId, static_cast<std::uint64_t>(TraceSequence::kRun));
    char* const described = at = open_message(at, packet::kTrackDescriptor);
    at = put_number(at, descriptor::kUuid, track.uuid);
    at = put_bytes(at, descriptor::kName, name);
    if (parent.uuid != 0) at = put_number(at, descriptor::kParentUuid, parent.uuid);
    if (unit != nullptr) {
      char* const counter = at = open_message(at, descriptor::kCounter);
      if (unit->unit != 0) at = put_number(at, descriptor::kCounterUnit, unit->unit);
      if (!unit->name.empty()) at = put_bytes(at, descriptor::kCounterUnitName, unit->name);
      at = close_message(counter, at);
    }
    at = put_number(at, descriptor::kChildOrdering, descriptor::kExplicit);
    at = put_number(at, descriptor::kSiblingOrderRank, static_cast<std::uint64_t>(rank));
    at = close_message(described, at);
    block_.add(close_message(fields, at));
    return track;
  }

  struct Event {
    TraceSequence sequence;
    EventType type;
    TrackId track;
    sim::Time at;
  };
  // A slice's begin or end, or an instant; an end has no name.
  void write(const Event& event, std::string_view name, const TraceArgs& facts, Flow flow) {
    Sequence& sequence = advance(event);
    char* at = block_.room(room_for(name, facts));
    char* const fields = at = open_message(at, trace::kPacket);
    at = put_head(at, event);
    char* const body = at = open_message(at, packet::kTrackEvent);
    at = put_place(at, event);
    const bool end = event.type == EventType::kSliceEnd;
    if (!end) {
      at = put_small(at, event::kCategory, kCategory);
      at = put_number(at, event::kNameId, name_id(sequence, name));
    }
    for (const TraceArg& fact : facts) at = put_fact(at, fact, fact_id(sequence, fact.name));
    const std::uint64_t stamp = end ? kEndStamp : kTimeStamp;
    const auto ps = static_cast<std::uint64_t>(event.at.ps());
    at = put_number_fact(at, stamp, annotation::kUint, ps);
    at = put_number_fact(at, stamp + 1, annotation::kUint, ++number_);
    if (flow.id != 0) {
      at = put_fixed(at, flow.ends ? event::kTerminatingFlow : event::kFlow, flow.id);
    }
    at = close_message(body, at);
    if (!fresh_.empty()) [[unlikely]] {
      at = put_bytes(at, packet::kInternedData, fresh_);
      fresh_.clear();
    }
    block_.add(close_message(fields, at));
  }

  void write_count(const Event& event, std::int64_t value) {
    advance(event);
    char* at = block_.room(kEventRoom);
    char* const fields = at = open_message(at, trace::kPacket);
    at = put_head(at, event);
    char* const body = at = open_message(at, packet::kTrackEvent);
    at = put_place(at, event);
    at = put_number(at, event::kCounterValue, static_cast<std::uint64_t>(value));
    at = close_message(body, at);
    block_.add(close_message(fields, at));
  }

  std::string finish() { return block_.finish(); }

 private:
  struct Sequence {
    bool started = false;
    sim::Time last;
    InternedNames names;
    InternedNames facts;
  };

  Sequence& advance(const Event& event) {
    Sequence& sequence = sequences_[static_cast<std::size_t>(event.sequence) - 1];
    BATON_CHECK(event.at >= sequence.last, "a trace goes back in time");
    sequence.last = event.at;
    if (!sequence.started) [[unlikely]]
      start(sequence, event.sequence);
    return sequence;
  }

  // The first packet of a sequence names what every event of it names.
  void start(Sequence& sequence, TraceSequence id) {
    sequence.started = true;
    introduce(interned::kCategory, kCategory, "baton");
    for (const std::string_view name : kStamps) fact_id(sequence, name);
    char* at = block_.room(kEventRoom + fresh_.size());
    char* const fields = at = open_message(at, trace::kPacket);
    at = put_number(at, packet::kSequenceId, static_cast<std::uint64_t>(id));
    at = put_number(at, packet::kSequenceFlags, packet::kStateCleared | packet::kNeedsState);
    at = put_number(at, packet::kFirstOnSequence, 1);
    at = put_bytes(at, packet::kInternedData, fresh_);
    fresh_.clear();
    block_.add(close_message(fields, at));
  }

  static std::size_t room_for(std::string_view name, const TraceArgs& facts) {
    std::size_t room = kEventRoom + name.size();
    for (const TraceArg& fact : facts) {
      room += kFactRoom + fact.name.size();
      if (const auto* text = std::get_if<std::string_view>(&fact.value)) room += text->size();
    }
    return room;
  }

  static char* put_head(char* at, const Event& event) {
    at = put_small(at, packet::kSequenceId, static_cast<std::uint64_t>(event.sequence));
    at = put_small(at, packet::kSequenceFlags, packet::kNeedsState);
    return put_number(at, packet::kTimestamp, static_cast<std::uint64_t>(event.at.ps()) / 1000);
  }
  static char* put_place(char* at, const Event& event) {
    at = put_small(at, event::kType, static_cast<std::uint64_t>(event.type));
    return put_number(at, event::kTrackUuid, event.track.uuid);
  }

  static char* put_number_fact(char* at, std::uint64_t id, unsigned field, std::uint64_t value) {
    char* const fact = at = open_message(at, event::kAnnotation);
    at = put_number(put_number(at, annotation::kNameId, id), field, value);
    fact[-1] = static_cast<char>(at - fact);  // two numbers are always short
    return at;
  }
  static char* put_fact(char* at, const TraceArg& fact, std::uint64_t id) {
    if (const auto* text = std::get_if<std::string_view>(&fact.value)) {
      char* const message = at = open_message(at, event::kAnnotation);
      at = put_bytes(put_number(at, annotation::kNameId, id), annotation::kString, *text);
      return close_message(message, at);
    }
    if (const auto* count = std::get_if<std::uint64_t>(&fact.value)) {
      return put_number_fact(at, id, annotation::kUint, *count);
    }
    if (const auto* hex = std::get_if<Hex>(&fact.value)) {
      return put_number_fact(at, id, annotation::kPointer, hex->value);
    }
    if (const auto* flag = std::get_if<bool>(&fact.value)) {
      return put_number_fact(at, id, annotation::kBool, *flag ? 1 : 0);
    }
    const auto number = static_cast<std::uint64_t>(std::get<std::int64_t>(fact.value));
    return put_number_fact(at, id, annotation::kInt, number);
  }

  std::uint64_t name_id(Sequence& sequence, std::string_view name) {
    const auto [id, fresh] = sequence.names.intern(name);
    if (fresh) [[unlikely]]
      introduce(interned::kEventName, id, name);
    return id;
  }
  std::uint64_t fact_id(Sequence& sequence, std::string_view name) {
    const auto [id, fresh] = sequence.facts.intern_static(name);
    if (fresh) [[unlikely]]
      introduce(interned::kAnnotationName, id, name);
    return id;
  }
  // What this packet names for the first time.
  void introduce(unsigned field, std::uint64_t id, std::string_view text) {
    const std::size_t before = fresh_.size();
    fresh_.resize(before + kFactRoom + text.size());
    char* at = fresh_.data() + before;
    char* const message = at = open_message(at, field);
    at = put_bytes(put_number(at, interned::kId, id), interned::kText, text);
    fresh_.resize(static_cast<std::size_t>(close_message(message, at) - fresh_.data()));
  }

  TraceBlock block_;
  std::array<Sequence, 2> sequences_;
  std::uint64_t tracks_ = 0;
  std::uint64_t number_ = 0;
  std::string fresh_;  // names that the packet being written is the first to use
};

PerfettoWriter::PerfettoWriter(TraceSink sink)
    : encoder_(std::make_unique<Encoder>(std::move(sink))) {}
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
  open_.resize(track.uuid + 1);
  return track;
}

void PerfettoWriter::begin(TrackId track, sim::Time at, std::string_view name,
                           const TraceArgs& facts, Flow flow) {
  BATON_CHECK(track.uuid < open_.size(), "a slice on a track that nobody described");
  ++open_[track.uuid];
  encoder_->write({TraceSequence::kRun, EventType::kSliceBegin, track, at}, name, facts, flow);
}

void PerfettoWriter::end(TrackId track, sim::Time at, const TraceArgs& facts) {
  BATON_CHECK(open(track) != 0, "a slice ends that did not begin");
  --open_[track.uuid];
  encoder_->write({TraceSequence::kRun, EventType::kSliceEnd, track, at}, {}, facts, {});
}

void PerfettoWriter::instant(TrackId track, sim::Time at, std::string_view name,
                             const TraceArgs& facts, Flow flow, TraceSequence sequence) {
  encoder_->write({sequence, EventType::kInstant, track, at}, name, facts, flow);
}

void PerfettoWriter::count(TrackId track, sim::Time at, std::int64_t value) {
  encoder_->write_count({TraceSequence::kRun, EventType::kCounter, track, at}, value);
}

unsigned PerfettoWriter::open(TrackId track) const {
  return track.uuid < open_.size() ? open_[track.uuid] : 0;
}

std::string PerfettoWriter::finish(sim::Time at) {
  for (std::uint64_t uuid = 0; uuid < open_.size(); ++uuid) {
    while (open_[uuid] != 0) end({uuid}, at, {{"cut_by_end_of_run", true}});
  }
  return encoder_->finish();
}

}  // namespace baton::harness
