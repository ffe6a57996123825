// What live update knows of a function, pair by pair.
#include "model/linux/pci/tracking.h"

#include "model/linux/pci/pci_dev.h"
#include "tests/support/state_walk.h"

using namespace baton;
using linux::pci::IncomingEvent;
using linux::pci::OutgoingEvent;

TEST_CASE("every state of a function that is handed over meets every event as its table says") {
  test::walk_pairs(linux::pci::outgoing_table());
}

TEST_CASE("every state of a function that was handed over meets every event as its table says") {
  test::walk_pairs(linux::pci::incoming_table());
}

TEST_CASE("a function can be handed over while it still is from the previous kernel") {
  linux::pci::PciDev dev;
  CHECK_FALSE((dev.outgoing() || dev.frozen() || dev.incoming() || dev.was_incoming()));
  dev.from_previous.commit(IncomingEvent::kFound);
  CHECK((dev.incoming() && dev.was_incoming()));
  CHECK(dev.from_previous.check(IncomingEvent::kOpen).error() == linux::Errno::kBusy);
  dev.to_next.commit(OutgoingEvent::kPreserve);
  CHECK((dev.incoming() && dev.outgoing() && !dev.frozen()));
  dev.from_previous.commit(IncomingEvent::kLastReference);
  CHECK((!dev.incoming() && dev.was_incoming() && dev.outgoing()));
  dev.to_next.commit(OutgoingEvent::kShutdown);
  CHECK((dev.outgoing() && dev.frozen()));
  CHECK(dev.to_next.check(OutgoingEvent::kUnpreserve).error() == linux::Errno::kInval);
}
