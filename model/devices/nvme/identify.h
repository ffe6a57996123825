// The data structures of Identify and Get Log Page, 4096 and 512 bytes [NVMe 1.4, 5.14.1, 5.15.2].
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/devices/nvme/commands.h"

namespace baton::devices::nvme {

using IdentifyData = std::array<std::byte, 4096>;

inline constexpr unsigned kEventRequestsMax = 4;

IdentifyData identify_controller(std::string_view serial);
IdentifyData identify_namespace(std::uint64_t capacity);
// Namespaces with an id above `after`.
IdentifyData identify_active_namespaces(std::uint32_t after);
IdentifyData identify_descriptors(std::string_view serial);

// SMART / health: a healthy drive at 40 degrees Celsius that counts nothing.
IdentifyData health_log();
// Firmware slot information: one slot, active.
IdentifyData firmware_log();

}  // namespace baton::devices::nvme
