// Traces as bytes: what the writer promises, read back by a reader of its own, which is itself
// shown traces that break each promise.
#include "harness/trace/perfetto_writer.h"

#include "harness/trace/tracer.h"
#include "sim/check.h"
#include "tests/support/trace_check.h"

using namespace baton;
using namespace baton::harness;
using namespace baton::sim::literals;
using testing::TraceCheck;
namespace pb = ::perfetto::protos;

namespace {

sim::Time at(sim::Duration since) { return sim::Time() + since; }

pb::TrackEvent& add_event(pb::Trace& trace, std::uint64_t time, std::uint64_t track,
                          pb::TrackEvent::Type type) {
  pb::TracePacket& packet = *trace.add_packet();
  packet.set_timestamp(time);
  packet.set_trusted_packet_sequence_id(1);
  packet.mutable_track_event()->set_type(type);
  packet.mutable_track_event()->set_track_uuid(track);
  return *packet.mutable_track_event();
}

void add_track(pb::Trace& trace, std::uint64_t uuid) {
  pb::TrackDescriptor& track = *trace.add_packet()->mutable_track_descriptor();
  track.set_uuid(uuid);
  track.set_name("t");
}

std::vector<std::string> problems_of(const pb::Trace& trace) {
  return TraceCheck(trace.SerializeAsString()).problems();
}

}  // namespace

TEST_CASE("what is written is read back: tracks in order, slices, instants, counters, an arrow") {
  PerfettoWriter writer;
  const TrackId root = writer.track("root", {}, 0);
  const TrackId slices = writer.track("slices", root, 2);
  const TrackId counter = writer.counter("bytes", root, 1, CounterUnit::kBytes);
  writer.begin(slices, at(1500_ps), "outer", {{"hex", Hex{255}}}, {7, false});
  writer.begin(slices, at(1700_ps), "inner");
  writer.count(counter, at(1800_ps), -3);
  writer.end(slices, at(2_ns));
  writer.instant(slices, at(2_ns), "dot", {{"text", std::string("t")}}, {7, true});
  const TraceCheck check(writer.finish(at(3_ns)));
  CHECK(check.problems().empty());
  CHECK(fmt::format("{}", fmt::join(check.paths(), ",")) == ",bytes,slices");
  CHECK(fmt::format("{}", fmt::join(check.events("slices"), ",")) == "outer,inner,dot");
  CHECK(fmt::format("{}", fmt::join(check.visits(7), ",")) == "slices,slices");
  const pb::TracePacket& outer = check.trace().packet(4);
  CHECK(outer.timestamp() == 1);  // nanoseconds, floored
  CHECK(outer.track_event().debug_annotations(1).uint_value() == 1500);
  const pb::TracePacket& inner = check.trace().packet(5);
  CHECK(inner.timestamp() == 1);  // the same nanosecond; the order is told
  CHECK(inner.track_event().debug_annotations(1).uint_value() == 2);
  CHECK(check.trace().packet(6).track_event().counter_value() == -3);
}

TEST_CASE("numbers and texts of every length are read back") {
  std::vector<std::uint64_t> numbers{0};
  for (unsigned bits = 1; bits <= 64; ++bits) {
    numbers.push_back(std::uint64_t{1} << (bits - 1));
    numbers.push_back(~std::uint64_t{0} >> (64 - bits));
  }
  std::vector<std::string> texts;
  for (const std::size_t size :
       {0U, 1U, 60U, 80U, 100U, 127U, 128U, 200U, 16'383U, 16'384U, 100'000U}) {
    texts.emplace_back(size, 'x');
  }
  PerfettoWriter writer;
  const TrackId track = writer.track("t", {}, 0);
  for (const std::uint64_t number : numbers) writer.instant(track, {}, "n", {{"number", number}});
  for (const std::string& text : texts) writer.instant(track, {}, text, {{"text", text}});
  const TraceCheck check(writer.finish({}));
  CHECK(check.problems().empty());
  const std::vector<std::string> names = check.events("");
  REQUIRE(names.size() == numbers.size() + texts.size());
  int packet = 2;  // after the descriptor, and the names that all events use
  for (const std::uint64_t number : numbers) {
    const pb::TrackEvent& event = check.trace().packet(packet++).track_event();
    CHECK(event.debug_annotations(0).uint_value() == number);
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const pb::TrackEvent& event = check.trace().packet(packet++).track_event();
    CHECK(event.debug_annotations(0).string_value() == texts[i]);
    CHECK(names[numbers.size() + i] == texts[i]);
  }
}

TEST_CASE("every event says its exact picosecond and its place in the order of events") {
  PerfettoWriter writer;
  const TrackId track = writer.track("t", {}, 0);
  std::vector<std::int64_t> times;
  for (std::int64_t ps = 1; ps < std::int64_t{1} << 52; ps = 2 * ps + 777) {
    writer.begin(track, sim::Time::from_ps(ps), "slice");
    writer.end(track, sim::Time::from_ps(ps + 1));
    times.push_back(ps);
    times.push_back(ps + 1);
  }
  const TraceCheck check(writer.finish({}));
  CHECK(check.problems().empty());
  for (std::size_t i = 0; i < times.size(); ++i) {
    const pb::TracePacket& packet = check.trace().packet(static_cast<int>(i) + 2);
    const auto ps = static_cast<std::uint64_t>(times[i]);
    CHECK(packet.timestamp() == ps / 1000);
    const bool end = packet.track_event().type() == pb::TrackEvent::TYPE_SLICE_END;
    CHECK(check.fact(packet, end ? "end_ps" : "time_ps") == ps);
    CHECK(check.fact(packet, end ? "end_seq" : "seq") == i + 1);
  }
}

TEST_CASE("a sink is given in blocks, of whole packets each, what is otherwise kept") {
  std::string given;
  std::size_t blocks = 0;
  bool whole = true;
  PerfettoWriter to_sink([&](std::string_view block) {
    pb::Trace packets;
    whole = packets.ParseFromArray(block.data(), static_cast<int>(block.size())) && whole;
    given += block;
    ++blocks;
  });
  PerfettoWriter kept;
  const std::string long_text(3000, 'y');
  for (PerfettoWriter* writer : {&to_sink, &kept}) {
    const TrackId track = writer->track("t", {}, 0);
    for (unsigned i = 0; i < 5000; ++i) {
      writer->begin(track, at(3_ns * i), i % 7 == 0 ? "seventh" : "slice", {{"i", Hex{i}}});
      writer->end(track, at(3_ns * i), {{"even", i % 2 == 0}});
      if (i % 100 == 0) writer->instant(track, at(3_ns * i), "dot", {{"text", long_text}});
    }
  }
  CHECK(to_sink.finish(at(1_s)).empty());
  CHECK(kept.finish(at(1_s)) == given);
  CHECK(whole);
  CHECK(blocks > 3);
  CHECK(TraceCheck(given).problems().empty());
}

TEST_CASE("a slice that is open at the end is closed there and says so") {
  PerfettoWriter writer;
  const TrackId track = writer.track("t", {}, 0);
  writer.begin(track, at(1_us), "never ends");
  CHECK(writer.open(track) == 1);
  const TraceCheck check(writer.finish(at(2_us)));
  CHECK(check.problems().empty());
  const pb::TracePacket& last = check.trace().packet(check.trace().packet_size() - 1);
  CHECK(last.timestamp() == 2000);
  CHECK(last.track_event().type() == pb::TrackEvent::TYPE_SLICE_END);
}

TEST_CASE("going back in time and ending what did not begin are bugs of the caller") {
  PerfettoWriter writer;
  const TrackId track = writer.track("t", {}, 0);
  CHECK_THROWS_AS(writer.end(track, at(1_us)), sim::BugError);
  writer.instant(track, at(2_us), "later");
  CHECK_THROWS_AS(writer.instant(track, at(1_us), "earlier"), sim::BugError);
  // A sequence of its own has a time of its own.
  CHECK_NOTHROW(writer.instant(track, at(1_us), "finding", {}, {}, TraceSequence::kFindings));
}

TEST_CASE("a counter is written once per instant, a rate per window, and then zero once") {
  sim::Simulation simulation(0);
  Tracer tracer(simulation);
  const TrackId counter = tracer.counter("c", {}, 0, CounterUnit::kCount);
  Rate& rate = tracer.rate("r", {}, 1);
  tracer.count(counter, 1);
  tracer.count(counter, 2);
  tracer.add(rate, 500);
  simulation.run_until(at(10_ms));
  tracer.count(counter, 3);
  const TraceCheck check(tracer.finish());
  CHECK(check.problems().empty());
  std::vector<std::pair<std::uint64_t, std::int64_t>> values;
  for (const pb::TracePacket& packet : check.trace().packet()) {
    if (packet.has_track_event()) {
      values.emplace_back(packet.timestamp(), packet.track_event().counter_value());
    }
  }
  CHECK(values == std::vector<std::pair<std::uint64_t, std::int64_t>>{
                      {0, 2}, {1'000'000, 500'000}, {2'000'000, 0}, {10'000'000, 3}});
}

TEST_CASE("slices that overlap get lanes of their own, which are used again") {
  sim::Simulation simulation(0);
  Tracer tracer(simulation);
  Lanes lanes("row", {}, 0);
  const TrackId first = lanes.take(tracer);
  const TrackId second = lanes.take(tracer);
  CHECK(first != second);
  lanes.give_back(first);
  CHECK(lanes.take(tracer) == first);
}

TEST_CASE("the reader sees each kind of broken trace") {
  using Type = pb::TrackEvent;
  pb::Trace trace;
  add_track(trace, 1);
  SECTION("a track without descriptor") { add_event(trace, 5, 2, Type::TYPE_INSTANT); }
  SECTION("a slice that does not end") { add_event(trace, 5, 1, Type::TYPE_SLICE_BEGIN); }
  SECTION("a slice that did not begin") { add_event(trace, 5, 1, Type::TYPE_SLICE_END); }
  SECTION("time that goes back") {
    add_event(trace, 5, 1, Type::TYPE_INSTANT);
    add_event(trace, 4, 1, Type::TYPE_INSTANT);
  }
  SECTION("a flow that leads nowhere") {
    add_event(trace, 5, 1, Type::TYPE_INSTANT).add_flow_ids(9);
  }
  SECTION("a flow that goes on after its end") {
    add_event(trace, 5, 1, Type::TYPE_INSTANT).add_flow_ids(9);
    add_event(trace, 6, 1, Type::TYPE_INSTANT).add_terminating_flow_ids(9);
    add_event(trace, 7, 1, Type::TYPE_INSTANT).add_terminating_flow_ids(9);
  }
  SECTION("a counter on a track of slices") { add_event(trace, 5, 1, Type::TYPE_COUNTER); }
  SECTION("a name that nobody interned") {
    add_event(trace, 5, 1, Type::TYPE_INSTANT).set_name_iid(3);
  }
  SECTION("two descriptors") { add_track(trace, 1); }
  SECTION("a parent without descriptor") {
    trace.mutable_packet(0)->mutable_track_descriptor()->set_parent_uuid(8);
  }
  CHECK_FALSE(problems_of(trace).empty());
}

TEST_CASE("the reader sees bytes that are no trace, and fields that the schema does not have") {
  CHECK_FALSE(TraceCheck("no trace").problems().empty());
  // Packet with a field of number 1000.
  const std::string unknown("\x0A\x03\xC0\x3E\x01", 5);
  CHECK_FALSE(TraceCheck(unknown).problems().empty());
}
