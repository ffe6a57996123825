#include "model/linux/kernel/ioctl_names.h"

#include <fmt/format.h>

#include "model/linux/uapi/ioctl_table.h"

namespace baton::linux {

std::string ioctl_name(std::uint32_t command) {
  const uapi::IoctlRow* row = uapi::ioctl_row(command);
  return row != nullptr ? std::string(row->name) : fmt::format("{:#x}", command);
}

}  // namespace baton::linux
