// Interrupt messages on their way to CPUs.
//
// A message is delivered after its latency, in phase interrupt, to the handler of the kernel that
// runs then. Only fixed and lowest-priority messages with a legal vector to an existing CPU are
// delivered [Intel SDM 3, 11.8.5, 11.11]; any other counts as an orphan, and so does a message that
// no kernel has a handler for.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "model/host/observations.h"
#include "sim/event.h"
#include "sim/simulation.h"

namespace baton::host {

struct InterruptMessage {
  Bdf source;
  std::uint32_t destination = 0;  // APIC id
  Vector vector;
  std::uint8_t delivery_mode = 0;
};

class Interrupts {
 public:
  Interrupts(sim::Simulation& simulation, unsigned cpus);
  ~Interrupts();

  // True when the running kernel took it, on the CPU with this APIC id.
  using Receiver = std::function<bool(std::uint32_t cpu, Vector vector)>;
  void set_receiver(Receiver receiver) { receiver_ = std::move(receiver); }

  void send(const InterruptMessage& message, sim::Duration latency);
  // A message in compatibility format [Intel SDM 3, 11.11].
  void send_compatibility(Bdf source, std::uint64_t address, std::uint32_t data,
                          sim::Duration latency);

  // Messages under way are lost.
  void clear();

  std::uint64_t orphans() const { return orphans_; }

 private:
  class Delivery;

  void deliver(Delivery& delivery);

  sim::Simulation& simulation_;
  unsigned cpus_;
  sim::ActorId actor_;
  Receiver receiver_;
  std::vector<std::unique_ptr<Delivery>> deliveries_;
  std::vector<Delivery*> idle_;
  std::uint64_t orphans_ = 0;
  std::uint64_t last_id_ = 0;
  sim::Topic<InterruptSent>& sent_;
  sim::Topic<InterruptLost>& lost_;
  sim::Topic<InterruptArriving>& arriving_;
  sim::Topic<InterruptDelivered>& delivered_;
};

}  // namespace baton::host
