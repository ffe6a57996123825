// The ioctls that kernels here know, one row each, with the fields of their structs: what prints a
// request by name, what lets a scenario write one down, and what documents them, all read these
// rows [linux include/uapi/linux/{liveupdate,iommufd,vfio}.h].
//
// Not in the rows: what follows a struct of variable length (eventfds of VFIO_DEVICE_SET_IRQS, the
// own struct of a VFIO_DEVICE_FEATURE).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace baton::linux::uapi {

enum class FieldType : std::uint8_t {
  kNumber,
  kDescriptor,  // s32
  kText,        // characters, a NUL behind them where there is room
};

struct IoctlField {
  std::string_view name;  // as the kernel's header spells it
  std::uint32_t offset;
  std::uint32_t bytes;
  FieldType type;
  bool answered;  // the kernel writes it
};

// The file that takes a request.
enum class IoctlTarget : std::uint8_t {
  kLiveUpdate,
  kSession,
  kIommufd,
  kVfioDevice,
  kVfioGroup,
  kVfioContainer
};
std::string_view name(IoctlTarget target);  // "/dev/liveupdate"

struct IoctlRow {
  std::uint32_t command;
  std::string_view name;
  IoctlTarget target;
  std::uint32_t bytes;  // of the struct; its first field is a u32 with its size, if it is `sized`
  std::span<const IoctlField> fields;
  std::string_view result;  // the field that names what the call made; empty for none
  bool sized = true;        // false: the argument is a number, a descriptor or a text
};

std::span<const IoctlRow> ioctl_rows();
// Two requests for different files can have one number; the first of them is found by it.
const IoctlRow* ioctl_row(std::uint32_t command);
const IoctlRow* ioctl_row(std::string_view name);
const IoctlField* field_of(const IoctlRow& row, std::string_view name);

}  // namespace baton::linux::uapi
