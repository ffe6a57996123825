// Nothing is allocated where the simulation spends its time.
#include <deque>
#include <memory>

#include "sim/actor.h"
#include "tests/support/count_allocations.h"

namespace {

using namespace baton;
using namespace baton::sim;
using namespace baton::sim::literals;
using test::allocations;

// Schedules itself again and again, and arms a timeout that never expires.
class Busy final : public Event {
 public:
  Busy(Simulation& simulation, ActorId actor, std::int64_t period)
      : Event(actor, "busy", Phase::kDevice),
        simulation_(simulation),
        period_(Duration::picoseconds(period)),
        timeout_(*this, actor, "timeout", Phase::kDevice) {}

 private:
  void fire() override {
    simulation_.cancel(timeout_);
    simulation_.schedule(timeout_, 1_ms);
    simulation_.schedule(*this, period_);
  }
  void expire() { FAIL("a timeout that was cancelled"); }

  Simulation& simulation_;
  Duration period_;
  MemberEvent<&Busy::expire> timeout_;
};

Co<> sleep_on(Context& context, Duration period, int& woken) {
  WaitNode node(context, context.actor(), "sleep");
  for (;;) {
    co_await context.sleep(node, period);
    ++woken;
  }
}

Co<> wait_on(Context& context, WaitQueue& queue, int& woken) {
  WaitNode node(context, context.actor(), "wait");
  for (;;) {
    co_await queue.wait(context, node);
    ++woken;
  }
}

Co<> wake_up(Context& context, WaitQueue& queue) {
  WaitNode node(context, context.actor(), "sleep");
  for (;;) {
    co_await context.sleep(node, 3_ns);
    queue.wake_all();
  }
}

}  // namespace

TEST_CASE("the counter of allocations counts") {
  const std::size_t before = allocations;
  const auto some = std::make_unique<int>(1);
  const std::size_t after = allocations;
  CHECK(after == before + 1);
}

TEST_CASE("events that are scheduled, cancelled and run allocate nothing") {
  Simulation simulation(1);
  const ActorId actor = simulation.add_actor("a");
  std::deque<Busy> events;
  // Periods from a nanosecond to a tenth of a millisecond: all levels of the queue that matter.
  for (std::int64_t period = 1'000; period < 100'000'000; period = period * 5 / 4 + 1) {
    simulation.schedule(events.emplace_back(simulation, actor, period), 1_ns);
  }
  simulation.run_until(Time() + 1_us);
  const std::uint64_t events_before = simulation.fingerprint().count();
  const std::size_t before = allocations;
  simulation.run_until(Time() + 100_us);
  const std::size_t after = allocations;
  CHECK(after == before);
  CHECK(simulation.fingerprint().count() > events_before + 100'000);
}

TEST_CASE("a wait allocates nothing") {
  Simulation simulation(1);
  Context context(simulation, "kernel0");
  WaitQueue queue;
  int slept = 0;
  int woken = 0;
  context.spawn(sleep_on(context, 5_ns, slept));
  context.spawn(wait_on(context, queue, woken));
  context.spawn(wake_up(context, queue));
  simulation.run_until(Time() + 1_us);
  const int slept_before = slept;
  const int woken_before = woken;
  const std::size_t before = allocations;
  simulation.run_until(Time() + 100_us);
  const std::size_t after = allocations;
  CHECK(after == before);
  CHECK(slept > slept_before + 10'000);
  CHECK(woken > woken_before + 10'000);
}

TEST_CASE("an observation that nobody hears and a line that is too quiet allocate nothing") {
  Simulation simulation(1);
  const std::string text(1000, 'x');
  Topic<std::string>& topic = simulation.topic<std::string>();
  simulation.log().set_sink([](const LogLine&) { FAIL("too quiet"); });
  const std::size_t before = allocations;
  for (int i = 0; i < 1000; ++i) {
    if (topic.active()) topic.publish(text + text);
    simulation.log().write(LogLevel::kDebug, "kernel0", "seen {}", i);
  }
  const std::size_t after = allocations;
  CHECK(after == before);
}
