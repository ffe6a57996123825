// Which errno each request of these kernels answers, and when: one row for each reason, in the
// order in which the kernel checks. docs/uapi.md comes from here; a test provokes every row.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace baton::linux::uapi {

enum class ErrnoStanding : std::uint8_t {
  kRead,     // read in source, v7.2
  kPosted,   // in a posted series
  kAssumed,  // nobody says
};
std::string_view name(ErrnoStanding standing);

struct ErrnoRow {
  std::string_view call;  // "LIVEUPDATE_SESSION_FINISH", "open /dev/liveupdate"
  std::string_view error;
  std::string_view when;
  ErrnoStanding standing;
};

std::span<const ErrnoRow> errno_rows();

}  // namespace baton::linux::uapi
