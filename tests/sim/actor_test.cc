// Actors and kernel death [docs/architecture.md, laws 1 and 4].
#include "sim/actor.h"

#include <boost/asio/co_spawn.hpp>
#include <filesystem>

namespace {

using namespace baton;
using namespace baton::sim;
using namespace baton::sim::literals;

struct Guard {
  explicit Guard(int& count) : count_(count) { ++count_; }
  ~Guard() { --count_; }
  Guard(const Guard&) = delete;
  int& count_;
};

Co<int> leaf(Context& context, int& live) {
  Guard guard(live);
  WaitNode node(context, context.actor(), "leaf");
  co_await context.sleep(node, 10_us);
  co_return 1;
}

Co<> sleeper(Context& context, int& live, int& steps) {
  Guard guard(live);
  for (;;) {
    steps += co_await leaf(context, live);
  }
}

Co<> queue_waiter(Context& context, WaitQueue& queue, int& live) {
  Guard guard(live);
  WaitNode node(context, context.actor(), "queue");
  co_await queue.wait(context, node);
}

std::size_t threads() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    count += entry.is_directory() ? 1U : 0U;
  }
  return count;
}

}  // namespace

TEST_CASE("an actor sleeps in simulated time and continues where it was") {
  Simulation simulation(1);
  Context context(simulation, "kernel0");
  int live = 0;
  int steps = 0;
  context.spawn(sleeper(context, live, steps));
  simulation.run_until(Time() + 35_us);
  CHECK(steps == 3);
  CHECK(live == 2);
  CHECK(threads() == 1);
}

TEST_CASE("killing a kernel with waits, nested waits and queued waiters leaves nothing alive") {
  Simulation simulation(1);
  Context dying(simulation, "kernel0");
  Context other(simulation, "kernel1");
  int live = 0;
  int steps = 0;
  int other_live = 0;
  int other_steps = 0;
  WaitQueue queue;
  dying.spawn(sleeper(dying, live, steps));
  dying.spawn(queue_waiter(dying, queue, live));
  dying.spawn(queue_waiter(dying, queue, live));
  other.spawn(sleeper(other, other_live, other_steps));
  simulation.run_until(Time() + 25_us);
  CHECK(live == 4);
  CHECK(dying.waiting() == 3);

  dying.die();
  CHECK(live == 0);
  CHECK(dying.waiting() == 0);
  CHECK(dying.actors_alive() == 0);
  CHECK(queue.empty());

  simulation.run_until(Time() + 55_us);
  CHECK(steps == 2);
  CHECK(other_steps == 5);
}

TEST_CASE("an actor spawned but not yet started dies with its kernel") {
  Simulation simulation(1);
  Context context(simulation, "kernel0");
  int live = 0;
  int steps = 0;
  context.spawn(sleeper(context, live, steps));
  context.die();
  simulation.run();
  CHECK(live == 0);
  CHECK(steps == 0);
}

TEST_CASE("after a halt nothing is resumed, neither what waits nor what was just started") {
  Simulation simulation(1);
  Context context(simulation, "kernel0");
  int live = 0;
  int steps = 0;
  int late = 0;
  auto halting = [](Context& self, int& other_live, int& count) -> Co<> {
    self.spawn(sleeper(self, other_live, count));
    self.halt();
    co_return;
  };
  context.spawn(sleeper(context, live, steps));
  simulation.run_until(Time() + 15_us);
  CHECK(steps == 1);
  context.spawn(halting(context, live, late));
  simulation.run_until(Time() + 95_us);
  CHECK(steps == 1);
  CHECK(late == 0);
  context.die();
  CHECK(live == 0);
  CHECK(context.waiting() == 0);
}

TEST_CASE("a kernel cannot die while one of its frames runs") {
  Simulation simulation(1);
  Context context(simulation, "kernel0");
  auto suicide = [](Context& self) -> Co<> {
    self.die();
    co_return;
  };
  context.spawn(suicide(context));
  CHECK_THROWS_AS(simulation.run(), BugError);
}

TEST_CASE("a wait that was woken and a wait that timed out both run once") {
  Simulation simulation(1);
  Context context(simulation, "kernel0");
  int runs = 0;
  WaitNode* seen = nullptr;
  auto waiter = [](Context& self, int& count, WaitNode*& out) -> Co<> {
    WaitNode node(self, self.actor(), "wait");
    out = &node;
    co_await self.sleep(node, 1_s);
    ++count;
  };
  context.spawn(waiter(context, runs, seen));
  simulation.run_until(Time() + 1_us);
  REQUIRE(seen != nullptr);
  context.wake(*seen);
  context.wake(*seen);
  simulation.run();
  CHECK(runs == 1);
  CHECK(simulation.now() == Time() + 1_us);
}

TEST_CASE("an exception that escapes from an actor reaches the caller of run") {
  Simulation simulation(7);
  Context context(simulation, "kernel0");
  auto thrower = [](Context& self) -> Co<> {
    WaitNode node(self, self.actor(), "wait");
    co_await self.sleep(node, 1_us);
    BATON_CHECK(false, "deliberate");
  };
  context.spawn(thrower(context));
  CHECK_THROWS_AS(simulation.run(), BugError);
}
