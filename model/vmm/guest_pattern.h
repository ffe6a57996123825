// The bytes that a guest writes into its buffers and expects to find again: a pattern of its own
// for each sequence number and buffer. Private to the guest program.
#pragma once

#include <cstdint>

#include "model/vmm/guest_context.h"

namespace baton::vmm {

void fill_pattern(GuestContext& guest, GuestAddr address, std::uint64_t sequence,
                  std::uint64_t buffer);
// Compares one buffer; what differs goes into the status page.
void verify_pattern(GuestContext& guest, GuestAddr address, std::uint64_t sequence,
                    std::uint64_t buffer);

}  // namespace baton::vmm
