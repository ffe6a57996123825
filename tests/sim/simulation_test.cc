// Time, order and fingerprint [docs/architecture.md, law 4].
#include "sim/simulation.h"

#include "sim/check.h"

namespace {

using namespace baton::sim;
using namespace baton::sim::literals;

class Recorder final : public Event {
 public:
  Recorder(ActorId actor, Kind kind, Phase phase, std::vector<std::string>& log)
      : Event(actor, kind, phase), log_(log) {}

 private:
  void fire() override { log_.emplace_back(kind_name()); }
  std::vector<std::string>& log_;
};

class Backwards final : public Event {
 public:
  Backwards(Simulation& simulation, ActorId actor, Event& earlier)
      : Event(actor, "backwards", Phase::kSoftware), simulation_(simulation), earlier_(earlier) {}

 private:
  void fire() override { simulation_.schedule(earlier_, Duration()); }
  Simulation& simulation_;
  Event& earlier_;
};

std::string run_three(std::uint64_t seed, Phase second_phase) {
  Simulation simulation(seed);
  const ActorId actor = simulation.add_actor("a");
  std::vector<std::string> log;
  Recorder first(actor, "first", Phase::kDevice, log);
  Recorder second(actor, "second", second_phase, log);
  simulation.schedule(first, 1_us);
  simulation.schedule(second, 1_us);
  simulation.run();
  return simulation.fingerprint().hex();
}

}  // namespace

TEST_CASE("events run by time, then phase, then in the order they were scheduled") {
  Simulation simulation(1);
  const ActorId actor = simulation.add_actor("a");
  std::vector<std::string> log;
  Recorder late(actor, "late", Phase::kDeliver, log);
  Recorder software(actor, "software", Phase::kSoftware, log);
  Recorder device1(actor, "device1", Phase::kDevice, log);
  Recorder device2(actor, "device2", Phase::kDevice, log);
  simulation.schedule(late, 2_us);
  simulation.schedule(software, 1_us);
  simulation.schedule(device1, 1_us);
  simulation.schedule(device2, 1_us);
  simulation.run();
  CHECK(log == std::vector<std::string>{"device1", "device2", "software", "late"});
  CHECK(simulation.now() == Time() + 2_us);
}

TEST_CASE("an event cannot be scheduled into an earlier phase of the same instant") {
  Simulation simulation(1);
  const ActorId actor = simulation.add_actor("a");
  std::vector<std::string> log;
  Recorder device(actor, "device", Phase::kDevice, log);
  Backwards backwards(simulation, actor, device);
  simulation.schedule(backwards, 1_us);
  CHECK_THROWS_AS(simulation.run(), BugError);
}

TEST_CASE("what is scheduled twice, in the past or beyond what the queue orders is a bug") {
  Simulation simulation(1);
  const ActorId actor = simulation.add_actor("a");
  std::vector<std::string> log;
  Recorder event(actor, "event", Phase::kDevice, log);
  simulation.run_until(Time() + 1_us);
  CHECK_THROWS_AS(simulation.schedule_at(event, Time()), BugError);
  CHECK_THROWS_AS(simulation.schedule(event, 1209600_s), BugError);
  CHECK_FALSE(event.scheduled());
  simulation.schedule(event, 1036800_s);
  CHECK_THROWS_AS(simulation.schedule(event, 1_us), BugError);
  simulation.run();
  CHECK(simulation.now() == Time() + 1_us + 1036800_s);
}

TEST_CASE("a failed check names time, actor and seed") {
  Simulation simulation(77);
  const ActorId actor = simulation.add_actor("dsa0");
  std::vector<std::string> log;
  Recorder device(actor, "device", Phase::kDevice, log);
  Backwards backwards(simulation, actor, device);
  simulation.schedule(backwards, 1_us);
  try {
    simulation.run();
    FAIL("no exception");
  } catch (const BugError& error) {
    const std::string text = error.what();
    CHECK(text.find("1.000 us") != std::string::npos);
    CHECK(text.find("dsa0") != std::string::npos);
    CHECK(text.find("seed 77") != std::string::npos);
  }
}

TEST_CASE("destroying or cancelling a scheduled event removes it") {
  Simulation simulation(1);
  const ActorId actor = simulation.add_actor("a");
  std::vector<std::string> log;
  {
    Recorder gone(actor, "gone", Phase::kDevice, log);
    simulation.schedule(gone, 1_us);
  }
  Recorder cancelled(actor, "cancelled", Phase::kDevice, log);
  simulation.schedule(cancelled, 1_us);
  simulation.cancel(cancelled);
  simulation.cancel(cancelled);
  simulation.run();
  CHECK(log.empty());
}

TEST_CASE("the fingerprint repeats, and leaves out what checkers do") {
  CHECK(run_three(1, Phase::kSoftware) == run_three(1, Phase::kSoftware));
  CHECK(run_three(1, Phase::kSoftware) != run_three(1, Phase::kInterrupt));
  Simulation simulation(1);
  const ActorId actor = simulation.add_actor("a");
  std::vector<std::string> log;
  Recorder check(actor, "check", Phase::kCheck, log);
  const std::string before = simulation.fingerprint().hex();
  simulation.schedule(check, 1_us);
  simulation.run();
  CHECK(log.size() == 1);
  CHECK(simulation.fingerprint().hex() == before);
}

TEST_CASE("a fingerprint is the same number on every machine") {
  CHECK(run_three(1, Phase::kSoftware) == "bef9736a2cdd5784244f98a94b21475d");
}

TEST_CASE("random streams depend on seed and name alone") {
  Simulation simulation(42);
  Random a = simulation.random_for("dsa0");
  Random b = simulation.random_for("dsa0");
  Random c = simulation.random_for("dsa1");
  const std::uint64_t first = a.next();
  CHECK(first == b.next());
  CHECK(first != c.next());
  for (int i = 0; i < 1000; ++i) {
    CHECK(a.below(7) < 7);
  }
}

TEST_CASE("durations print in their largest unit and never round up") {
  CHECK(to_string(1312777_ns) == "1.312 ms");
  CHECK(to_string(Duration::picoseconds(999)) == "999 ps");
  CHECK(to_string(2_s) == "2.000 s");
}

TEST_CASE("log lines carry simulated time and cost nothing without a sink") {
  Simulation simulation(1);
  std::vector<std::string> lines;
  simulation.log().write(LogLevel::kInfo, "kernel0", "unseen {}", 1);
  simulation.log().set_sink([&](const LogLine& line) { lines.push_back(format_line(line)); });
  simulation.run_until(Time() + 5_us);
  simulation.log().write(LogLevel::kInfo, "kernel0", "seen {}", 2);
  simulation.log().write(LogLevel::kDebug, "kernel0", "too quiet");
  REQUIRE(lines.size() == 1);
  CHECK(lines[0] == "      5.000 us  info   kernel0     seen 2");
}
