// Order of events over long runs of inserts, takes and cancellations.
#include "sim/event_queue.h"

#include <algorithm>
#include <deque>
#include <map>

#include "sim/simulation.h"

namespace {

using namespace baton::sim;

// What the queue should do: a list sorted by (time, phase), stable.
struct Model {
  struct Entry {
    Time time;
    Phase phase;
    int number;
  };
  std::vector<Entry> entries;

  void insert(Entry entry) {
    const auto after =
        std::upper_bound(entries.begin(), entries.end(), entry, [](const Entry& a, const Entry& b) {
          return a.time != b.time ? a.time < b.time : a.phase < b.phase;
        });
    entries.insert(after, entry);
  }
};

class Numbered final : public Event {
 public:
  Numbered(int number, Phase phase, std::vector<int>& log)
      : Event(ActorId(), "numbered", phase), number_(number), log_(log) {}
  int number() const { return number_; }

 private:
  void fire() override { log_.push_back(number_); }
  int number_;
  std::vector<int>& log_;
};

// Draws delays of very different sizes, so that all levels and many ties occur.
std::int64_t draw_delay(Random& random) {
  const std::uint64_t bits = random.below(44);
  return static_cast<std::int64_t>(random.below((std::uint64_t{1} << bits) + 1));
}

}  // namespace

TEST_CASE("the queue agrees with a sorted list over random inserts, takes and cancellations") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Simulation simulation(seed);
    simulation.add_actor("a");
    Random random = simulation.random_for("queue");
    Model model;
    std::vector<int> log;
    std::vector<int> expected;
    std::deque<std::unique_ptr<Numbered>> events;
    for (int i = 0; i < 4000; ++i) {
      const std::uint64_t action = random.below(10);
      if (action < 6) {
        const auto phase = static_cast<Phase>(random.below(6));
        const Time at = simulation.now() + Duration::picoseconds(draw_delay(random) + 1);
        events.push_back(std::make_unique<Numbered>(i, phase, log));
        simulation.schedule_at(*events.back(), at);
        model.insert({at, phase, i});
      } else if (action < 7 && !model.entries.empty()) {
        const auto victim = static_cast<std::ptrdiff_t>(random.below(model.entries.size()));
        const int number = model.entries[static_cast<std::size_t>(victim)].number;
        const auto found = std::find_if(events.begin(), events.end(),
                                        [&](const auto& e) { return e->number() == number; });
        simulation.cancel(**found);
        model.entries.erase(model.entries.begin() + victim);
      } else if (!model.entries.empty()) {
        expected.push_back(model.entries.front().number);
        const Time at = model.entries.front().time;
        model.entries.erase(model.entries.begin());
        REQUIRE(simulation.step());
        REQUIRE(simulation.now() == at);
      }
    }
    REQUIRE(log == expected);
  }
}

TEST_CASE("slots that hold very many events keep the order, whatever was cancelled or is gone") {
  // Delays that fill slots of one level, of two, and one instant.
  for (const std::uint64_t delays :
       {std::uint64_t{1} << 21, std::uint64_t{2048}, std::uint64_t{1}}) {
    constexpr int kEvents = 40'000;
    Simulation simulation(delays);
    simulation.add_actor("a");
    Random random = simulation.random_for("queue");
    std::vector<int> log;
    std::vector<std::unique_ptr<Numbered>> events;
    // By time, and by the order of scheduling.
    std::map<std::pair<std::int64_t, int>, int> expected;
    std::vector<std::pair<std::int64_t, int>> places(kEvents);
    int scheduled = 0;
    const auto schedule = [&](int number) {
      const auto delay = static_cast<std::int64_t>(random.below(delays) + 1);
      const Time at = simulation.now() + Duration::picoseconds(delay);
      simulation.schedule_at(*events[static_cast<std::size_t>(number)], at);
      places[static_cast<std::size_t>(number)] = {at.ps(), scheduled++};
      expected.emplace(places[static_cast<std::size_t>(number)], number);
    };
    for (int i = 0; i < kEvents; ++i) {
      events.push_back(std::make_unique<Numbered>(i, Phase::kDevice, log));
      schedule(i);
    }
    bool same = true;
    for (int i = 0; i < 6 * kEvents; ++i) {
      const int first = expected.begin()->second;
      expected.erase(expected.begin());
      same = same && simulation.step() && log.back() == first;
      schedule(first);
      if (random.below(4) == 0) {
        const auto victim = static_cast<int>(random.below(kEvents));
        const auto index = static_cast<std::size_t>(victim);
        expected.erase(places[index]);
        if (random.below(2) == 0) {
          simulation.cancel(*events[index]);
        } else {
          events[index] = std::make_unique<Numbered>(victim, Phase::kDevice, log);
        }
        schedule(victim);
      }
    }
    CHECK(same);
  }
}

TEST_CASE("of two events of one window the earlier is first, of two at once the one filed first") {
  // Distances that differ in each byte of the queue's keys, so that the two share a slot of each
  // level, and what comes between them later finds its place.
  for (unsigned bits = 0; bits < 52; ++bits) {
    const std::int64_t far = std::int64_t{3} << bits;
    for (const std::int64_t apart : {std::int64_t{0}, std::int64_t{1}, far / 4}) {
      for (const bool late_first : {false, true}) {
        Simulation simulation(1);
        simulation.add_actor("a");
        std::vector<int> log;
        Numbered early(1, Phase::kDevice, log);
        Numbered late(2, Phase::kDevice, log);
        Numbered between(3, Phase::kDevice, log);
        const Time at = Time::from_ps(far);
        const Time later = at + Duration::picoseconds(apart);
        if (late_first) simulation.schedule_at(late, later);
        simulation.schedule_at(early, at);
        if (!late_first) simulation.schedule_at(late, later);
        const bool late_goes_first = late_first && apart == 0;
        REQUIRE(simulation.step());
        CHECK(log == std::vector{late_goes_first ? 2 : 1});
        CHECK(simulation.now() == at);
        simulation.schedule_at(between, at + Duration::picoseconds(apart / 2));
        simulation.run();
        const int other = late_goes_first ? 1 : 2;
        CHECK(log.size() == 3);
        CHECK(log.back() == (apart == 0 ? 3 : other));
      }
    }
  }
}

TEST_CASE("the second of two events of one window can be cancelled when the first has run") {
  Simulation simulation(1);
  simulation.add_actor("a");
  std::vector<int> log;
  Numbered first(1, Phase::kDevice, log);
  Numbered second(2, Phase::kDevice, log);
  simulation.schedule_at(second, Time::from_ps(1'000'007));
  simulation.schedule_at(first, Time::from_ps(1'000'003));
  REQUIRE(simulation.step());
  simulation.cancel(second);
  CHECK_FALSE(simulation.step());
  CHECK(log == std::vector{1});
}

TEST_CASE("run_until stops between far events without disturbing the order of near ones") {
  Simulation simulation(1);
  simulation.add_actor("a");
  std::vector<int> log;
  Numbered far(3, Phase::kDevice, log);
  simulation.schedule_at(far, Time::from_ps(1'000'000'000'000));
  simulation.run_until(Time::from_ps(10));
  Numbered near(1, Phase::kDevice, log);
  Numbered same(2, Phase::kDeliver, log);
  simulation.schedule_at(near, Time::from_ps(11));
  simulation.schedule_at(same, Time::from_ps(12));
  simulation.run_until(Time::from_ps(12));
  CHECK(log == std::vector<int>{1, 2});
  simulation.run();
  CHECK(log == std::vector<int>{1, 2, 3});
}

TEST_CASE("an event at the instant where run_until stopped still runs, whatever its phase") {
  Simulation simulation(1);
  simulation.add_actor("a");
  std::vector<int> log;
  Numbered first(1, Phase::kSoftware, log);
  simulation.schedule_at(first, Time::from_ps(5));
  simulation.run_until(Time::from_ps(5));
  Numbered second(2, Phase::kDeliver, log);
  simulation.schedule_at(second, Time::from_ps(5));
  simulation.run();
  CHECK(log == std::vector<int>{1, 2});
}
