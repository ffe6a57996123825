// Names of the ioctl requests that baton's kernels know, for reports.
#pragma once

#include <cstdint>
#include <string>

namespace baton::linux {

// "LIVEUPDATE_SESSION_FINISH", or the number in hexadecimal.
std::string ioctl_name(std::uint32_t command);

}  // namespace baton::linux
