#include "sim/address.h"

#include <fmt/format.h>

namespace baton::sim {

std::string to_string(Bdf bdf) {
  return fmt::format("{:02x}:{:02x}.{}", bdf.bus(), bdf.device(), bdf.function());
}

std::string to_string(Sbdf sbdf) {
  return fmt::format("{:04x}:{}", sbdf.segment, to_string(sbdf.bdf));
}

}  // namespace baton::sim
