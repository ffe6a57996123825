#include "model/host/interrupts.h"

namespace baton::host {

class Interrupts::Delivery final : public sim::Event {
 public:
  explicit Delivery(Interrupts& owner)
      : Event(owner.actor_, "interrupt", sim::Phase::kInterrupt), owner_(owner) {}

  InterruptMessage message;
  std::uint64_t id = 0;  // for observers only

 private:
  void fire() override { owner_.deliver(*this); }
  std::uint64_t payload() const override {
    return std::uint64_t{message.destination} << 32 | std::uint64_t{message.source.value()} << 16 |
           std::uint64_t{message.delivery_mode} << 8 | message.vector.value();
  }

  Interrupts& owner_;
};

Interrupts::Interrupts(sim::Simulation& simulation, unsigned cpus)
    : simulation_(simulation),
      cpus_(cpus),
      actor_(simulation.add_actor("cpu")),
      sent_(simulation.topic<InterruptSent>()),
      lost_(simulation.topic<InterruptLost>()),
      arriving_(simulation.topic<InterruptArriving>()),
      delivered_(simulation.topic<InterruptDelivered>()) {}

Interrupts::~Interrupts() = default;

void Interrupts::send(const InterruptMessage& message, sim::Duration latency) {
  if (idle_.empty()) {
    deliveries_.push_back(std::make_unique<Delivery>(*this));
    idle_.push_back(deliveries_.back().get());
  }
  Delivery& delivery = *idle_.back();
  idle_.pop_back();
  delivery.message = message;
  delivery.id = ++last_id_;
  if (sent_.active()) {
    sent_.publish({.id = delivery.id,
                   .source = message.source,
                   .vector = message.vector,
                   .destination = message.destination});
  }
  simulation_.schedule(delivery, latency);
}

void Interrupts::send_compatibility(Bdf source, std::uint64_t address, std::uint32_t data,
                                    sim::Duration latency) {
  const InterruptMessage message{.source = source,
                                 .destination = static_cast<std::uint32_t>(address >> 12 & 0xFF),
                                 .vector = Vector(static_cast<std::uint8_t>(data)),
                                 .delivery_mode = static_cast<std::uint8_t>(data >> 8 & 7)};
  send(message, latency);
}

void Interrupts::clear() {
  for (const auto& delivery : deliveries_) {
    if (delivery->scheduled()) {
      simulation_.cancel(*delivery);
      if (lost_.active()) lost_.publish({.id = delivery->id});
      idle_.push_back(delivery.get());
    }
  }
}

void Interrupts::deliver(Delivery& delivery) {
  constexpr std::uint8_t kFirstLegalVector = 16;
  constexpr std::uint8_t kLowestPriority = 1;
  const InterruptMessage message = delivery.message;
  const std::uint64_t id = delivery.id;
  idle_.push_back(&delivery);
  const bool accepted = message.destination < cpus_ && message.delivery_mode <= kLowestPriority &&
                        message.vector.value() >= kFirstLegalVector;
  if (arriving_.active()) {
    arriving_.publish({.id = id});
  }
  const bool taken = accepted && receiver_ && receiver_(message.destination, message.vector);
  if (!taken) {
    ++orphans_;
  }
  if (delivered_.active()) {
    delivered_.publish({.id = id,
                        .source = message.source,
                        .vector = message.vector,
                        .taken = taken,
                        .destination = message.destination});
  }
}

}  // namespace baton::host
