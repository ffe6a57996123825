// An interrupt vector of one CPU: what the kernel's vector allocator gives out.
#pragma once

#include <compare>
#include <cstdint>

#include "sim/address.h"

namespace baton::linux {

struct CpuVector {
  constexpr CpuVector() = default;
  // Of the boot CPU, unless it is said.
  constexpr CpuVector(Vector number, std::uint32_t apic_id = 0) : vector(number), cpu(apic_id) {}
  friend constexpr auto operator<=>(const CpuVector&, const CpuVector&) = default;

  Vector vector;
  std::uint32_t cpu = 0;  // APIC id, which is the CPU's number here
};

}  // namespace baton::linux
