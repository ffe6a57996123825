// The states of a device bound to vfio-pci and of the files that are open on it [linux
// drivers/vfio/vfio_main.c, device_cdev.c, group.c; vfio/pci v5 for live update].
//
// A request is asked of both: its file says whether it has the device at all, the device whether it
// is preserved or frozen. Whether a device was handed over and who may open it then is the PCI
// core's (model/linux/pci/tracking.h). Interrupts, power state and what the driver's removal waits
// for are guards, not states.
#pragma once

#include <cstdint>

#include "model/linux/base/state_table.h"

namespace baton::vfio {

enum class FileState : std::uint8_t {
  kOpened,     // /dev/vfio/devices/vfioN
  kRetrieved,  // by a session: as opened
  kBound,
  kOfGroup,  // given out by a group, with the device open
  kClosed,
};
enum class FileEvent : std::uint8_t {
  kBind,
  kPageTable,  // ATTACH, DETACH
  kRequest,    // every other request, read, write, mmap
  kFault,      // of a mapping
  kPreserve,
  kFinish,
  kClose,
};

enum class DeviceStage : std::uint8_t {
  kClosed,
  kInGroup,  // open behind its group
  kBound,    // open as a character device
  kPreserved,
  kFrozen,
  kDead,  // frozen for nothing and given up by its session: good for being closed
};
enum class DeviceEvent : std::uint8_t {
  kBind,
  kOpenByGroup,
  kUse,     // a request that changes nothing that was recorded
  kChange,  // SET_IRQS, RESET, ATTACH, DETACH, a write to configuration space
  kTouch,   // a BAR, by read, write or mapping
  kPreserve,
  kUnpreserve,
  kFreeze,
  kUnfreeze,
  kClose,  // of the last file that has it
};

using FileTable = linux::StateTable<FileState, FileEvent>;
using DeviceTable = linux::StateTable<DeviceStage, DeviceEvent>;

const FileTable& file_table();
const DeviceTable& device_table();

}  // namespace baton::vfio
