// PHOLD on the standard library's heap: {time, sequence, handler, argument}, cancelled by marking.
#include <deque>
#include <queue>

#include "bench/phold.h"

namespace {

struct Entry {
  std::uint64_t time;
  std::uint64_t sequence;
  void (*handler)(void*, std::uint64_t sequence);
  void* argument;
  friend bool operator<(const Entry& a, const Entry& b) {
    return a.time != b.time ? a.time > b.time : a.sequence > b.sequence;
  }
};

struct Queue {
  std::priority_queue<Entry> heap;
  std::uint64_t now = 0;
  std::uint64_t sequence = 0;

  std::uint64_t schedule(std::uint64_t delay, void (*handler)(void*, std::uint64_t),
                         void* argument) {
    heap.push({now + delay, sequence, handler, argument});
    return sequence++;
  }
  void run_until(std::uint64_t end) {
    while (!heap.empty() && heap.top().time <= end) {
      const Entry entry = heap.top();
      heap.pop();
      now = entry.time;
      entry.handler(entry.argument, entry.sequence);
    }
  }
};

template <phold::Workload W>
struct Entity {
  Queue& queue;
  phold::Sums& sums;
  std::uint64_t id;
  phold::Random random;
  std::uint64_t timeout = 0;

  static void expire(void* self, std::uint64_t sequence) {
    if (static_cast<Entity*>(self)->timeout == sequence) {
      std::abort();
    }
  }
  static void fire(void* self, std::uint64_t) {
    Entity& entity = *static_cast<Entity*>(self);
    entity.sums.add(entity.queue.now, entity.id);
    if constexpr (W == phold::Workload::kCancel) {
      entity.timeout = entity.queue.schedule(phold::kTimeout, &expire, self);
    }
    entity.queue.schedule(phold::draw_delay<W>(entity.random), &fire, self);
  }
};

template <phold::Workload W>
int run(const phold::Arguments& arguments) {
  Queue queue;
  phold::Sums sums;
  std::deque<Entity<W>> entities;
  for (std::uint64_t i = 0; i < arguments.entities(); ++i) {
    entities.push_back({queue, sums, i, phold::random_of_entity(i)});
    Entity<W>& entity = entities.back();
    queue.schedule(phold::draw_delay<W>(entity.random) + 1, &Entity<W>::fire, &entity);
  }
  queue.run_until(arguments.warm_up_end());
  const std::uint64_t before = sums.count;
  const std::uint64_t start = phold::cpu_ns();
  queue.run_until(arguments.end());
  phold::report(phold::cpu_ns() - start, sums.count - before, sums);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const phold::Arguments arguments = phold::parse(argc, argv);
  return phold::dispatch(arguments, [&]<phold::Workload W>() { return run<W>(arguments); });
}
