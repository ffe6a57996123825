// What the records of preserved files and FLBs say, decoded from RAM. Part of handover_reader.h.
#pragma once

#include <string_view>

#include "harness/show/handover_reader.h"
#include "harness/show/raw_memory.h"

namespace baton::harness {

Details describe_file(RawMemory memory, std::string_view compatible, std::uint64_t data);
Details describe_flb(RawMemory memory, std::string_view compatible, std::uint64_t data);

}  // namespace baton::harness
