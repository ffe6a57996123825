// The way of an error message: up through the bridges above its sender, as far as their controls
// let it, to the root error registers [PCIe 6.2.6, 6.2.8.2; figure 6-3].
#pragma once

#include "model/pci/errors.h"
#include "model/pci/request.h"

namespace baton::pci {

class Bus;
class Function;

void send_error_message(Function& from, Severity severity);

// A memory request that no function of a device takes: all its functions log it, one tells the root
// [PCIe 6.2.4]. `bus` is where it was last seen; on the internal bus of a switch its upstream port
// is the receiver.
void detect_unclaimed(Bus& bus, const ErrorCase& about);

}  // namespace baton::pci
