// The states of an iommufd and of its objects as far as live update knows them [posted series iommu
// v5: drivers/iommu/iommufd/liveupdate.c; generation phase2 is a design target].
//
// Whether an object can be destroyed is its number of users, a guard; whether a device has a PASID
// attached is no state either.
#pragma once

#include <cstdint>

#include "model/linux/base/state_table.h"

namespace baton::iommufd {

enum class ContextState : std::uint8_t {
  kOpen,
  kPreserved,
  kRetrieved,  // and its session is not finished
};
enum class ContextEvent : std::uint8_t {
  kPreserve,
  kFreeze,
  kUnpreserve,
  kRestore,
  kReclaim,  // BIND of a device that was preserved behind it
  kFinish,
};

// What an IOAS maps.
enum class IoasState : std::uint8_t {
  kMutable,
  kImmutable,  // below a preserved HWPT
  kRestored,   // by a retrieve: tables in use lead there
};
enum class IoasEvent : std::uint8_t { kChange, kPreserve, kUnpreserve, kFinish };

enum class HwptState : std::uint8_t {
  kPlain,
  kMarked,
  kPreserved,
  kRestored,   // waits for its devices
  kReclaimed,  // has them back
  kDestroyed,
};
enum class HwptEvent : std::uint8_t {
  kMark,
  kPreserve,
  kUnpreserve,
  kReclaim,
  kFinish,
  kDestroy,
};

enum class AttachState : std::uint8_t {
  kBound,
  kAttached,
  kPreserved,
  kPreservedLoose,  // preserved, and taken off its HWPT since
  kUnbound,
};
enum class AttachEvent : std::uint8_t {
  kChange,  // asked before an attach or detach, where policy prepared_lockdown locks
  kAttach,
  kDetach,
  kAttachPasid,
  kPreserve,
  kUnpreserve,
  kUnbind,
};

using ContextTable = linux::StateTable<ContextState, ContextEvent>;
using IoasTable = linux::StateTable<IoasState, IoasEvent>;
using HwptTable = linux::StateTable<HwptState, HwptEvent>;
using AttachTable = linux::StateTable<AttachState, AttachEvent>;

const ContextTable& context_table();
const IoasTable& ioas_table();
const HwptTable& hwpt_table();
const AttachTable& attach_table();

}  // namespace baton::iommufd
