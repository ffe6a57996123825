// Regions of the engine: the event loop under PHOLD, scheduling and cancelling, waits of actors,
// observations that nobody and somebody hears, and a line of the log that is too quiet.
#include <fmt/format.h>

#include <deque>
#include <memory>

#include "bench/measured.h"
#include "bench/phold_model.h"
#include "sim/actor.h"

namespace baton::bench {
namespace {

using sim::Duration;

template <phold::Workload W>
Region phold_region(const char* workload, std::uint64_t population) {
  constexpr std::uint64_t kEvents = 100'000;
  return {fmt::format("phold-{}-{}", workload, population), kEvents, [population] {
            const auto model = std::make_shared<phold::Model<W>>(
                phold::Arguments{.workload = W, .population = population});
            model->warm_up();
            return [model](std::uint64_t events) { return model->run(events); };
          }};
}

class Nothing final : public sim::Event {
 public:
  explicit Nothing(sim::ActorId actor) : Event(actor, "nothing", sim::Phase::kDevice) {}

 private:
  void fire() override {}
};

// Among a thousand others, as a timeout that is armed and never expires.
Work prepare_cancel() {
  struct State {
    sim::Simulation simulation{1};
    sim::ActorId actor = simulation.add_actor("a");
    std::deque<Nothing> others;
    Nothing timeout{actor};
  };
  const auto state = std::make_shared<State>();
  for (int i = 0; i < 1000; ++i) {
    state->simulation.schedule(state->others.emplace_back(state->actor),
                               Duration::nanoseconds(1 + i * 7919 % 1000));
  }
  return [state](std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      state->simulation.schedule(state->timeout,
                                 Duration::nanoseconds(static_cast<std::int64_t>(i % 100 * 17)));
      state->simulation.cancel(state->timeout);
    }
    return count;
  };
}

struct Sleepers {
  sim::Simulation simulation{1};
  sim::Context context{simulation, "kernel0"};
  std::uint64_t woken = 0;

  Co<> sleep(Duration period) {
    sim::WaitNode node(context, context.actor(), "sleep");
    for (;;) {
      co_await context.sleep(node, period);
      ++woken;
    }
  }
};

Work prepare_waits(int actors) {
  const auto state = std::make_shared<Sleepers>();
  for (int i = 0; i < actors; ++i) {
    state->context.spawn(state->sleep(Duration::nanoseconds(1000 + i)));
  }
  return [state](std::uint64_t count) {
    const std::uint64_t before = state->woken;
    while (state->woken < before + count) state->simulation.step();
    return count;
  };
}

struct Seen {
  std::uint64_t number = 0;
  std::uint64_t address = 0;
};

Work prepare_observation(bool heard) {
  struct State {
    sim::Topic<Seen> topic;
    std::uint64_t sum = 0;
  };
  const auto state = std::make_shared<State>();
  if (heard) state->topic.subscribe([at = state.get()](const Seen& s) { at->sum += s.number; });
  return [state](std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      if (state->topic.active()) state->topic.publish(Seen{i, i * 4096});
      use(i);
    }
    return count;
  };
}

Work prepare_quiet_log() {
  const auto simulation = std::make_shared<sim::Simulation>(1);
  simulation->log().set_sink([](const sim::LogLine&) {});
  return [simulation](std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      simulation->log().write(sim::LogLevel::kDebug, "kernel0", "page {:#x} of {}", i * 4096, i);
      use(i);
    }
    return count;
  };
}

}  // namespace

std::vector<Region> engine_regions() {
  using phold::Workload;
  return {
      phold_region<Workload::kUni>("uni", 64),
      phold_region<Workload::kUni>("uni", 1000),
      phold_region<Workload::kUni>("uni", 65536),
      phold_region<Workload::kExp>("exp", 65536),
      phold_region<Workload::kDense>("dense", 65536),
      phold_region<Workload::kBurst>("burst", 65536),
      phold_region<Workload::kDelta>("delta", 65536),
      phold_region<Workload::kCancel>("cancel", 65536),
      {"schedule-and-cancel", 100'000, prepare_cancel},
      {"wait-of-1-actor", 100'000, [] { return prepare_waits(1); }},
      {"wait-of-1000-actors", 100'000, [] { return prepare_waits(1000); }},
      {"observation-unheard", 100'000, [] { return prepare_observation(false); }},
      {"observation-heard", 100'000, [] { return prepare_observation(true); }},
      {"log-line-too-quiet", 100'000, prepare_quiet_log},
  };
}

}  // namespace baton::bench
