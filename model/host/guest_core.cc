#include "model/host/guest_core.h"

#include <utility>

namespace baton::host {

GuestCore::GuestCore(sim::Simulation& simulation, pci::Fabric& fabric, GuestCoreLoop loop)
    : simulation_(simulation),
      fabric_(fabric),
      loop_(std::move(loop)),
      accesses_(simulation.topic<CoreAccess>()),
      turn_event_(*this, simulation.add_actor("core-of-" + loop_.vm), "guest-core",
                  sim::Phase::kSoftware) {
  simulation_.schedule(turn_event_, loop_.every);
}

void GuestCore::publish(bool write, std::uint64_t value, const pci::Completion& completion) {
  if (!accesses_.active()) return;
  accesses_.publish({loop_.vm, loop_.word, write, value, written_, completion.stopped_at});
}

// A write is posted: whether it arrived, the core learns from what it reads.
void GuestCore::turn() {
  ++written_;
  const pci::Completion wrote =
      fabric_.cpu_write(loop_.word, std::as_bytes(std::span(&written_, 1)));
  publish(true, written_, wrote);
  std::uint64_t seen = 0;
  const pci::Completion read =
      fabric_.cpu_read(loop_.word, std::as_writable_bytes(std::span(&seen, 1)));
  publish(false, seen, read);
  simulation_.schedule(turn_event_, loop_.every);
}

}  // namespace baton::host
