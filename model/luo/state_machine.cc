#include "model/luo/state_machine.h"

#include <array>

namespace baton::luo {

namespace {

using linux::Errno;
using S = SessionState;
using SE = SessionEvent;
using F = FileState;
using FE = FileEvent;
using B = FlbState;
using BE = FlbEvent;

constexpr std::string_view kIoctl = "linux luo_session.c luo_session_ioctl";
constexpr std::string_view kRelease = "linux luo_session.c luo_session_release";
constexpr std::string_view kRetrieve = "linux luo_session.c luo_session_retrieve";
constexpr std::string_view kSerialize = "linux luo_session.c luo_session_serialize";
constexpr std::string_view kFile = "linux luo_file.c";
constexpr std::string_view kFlb = "linux luo_flb.c";

// A serialized session still passes the check of its kind; it waits at the lock that follows.
constexpr Transition<S, SE> kSessions[] = {
    {S::kOutgoing, SE::kPreserveFd, S::kOutgoing, {}, kIoctl},
    {S::kOutgoing, SE::kRetrieveFd, S::kOutgoing, Errno::kInval, kIoctl},
    {S::kOutgoing, SE::kGetName, S::kOutgoing, {}, kIoctl},
    {S::kOutgoing, SE::kFinish, S::kOutgoing, Errno::kInval, kIoctl},
    {S::kOutgoing, SE::kSerialize, S::kSerialized, {}, kSerialize},
    {S::kOutgoing, SE::kClose, S::kClosed, {}, kRelease},
    {S::kSerialized, SE::kPreserveFd, S::kSerialized, {}, kIoctl},
    {S::kSerialized, SE::kRetrieveFd, S::kSerialized, Errno::kInval, kIoctl},
    {S::kSerialized, SE::kGetName, S::kSerialized, {}, kIoctl},
    {S::kSerialized, SE::kFinish, S::kSerialized, Errno::kInval, kIoctl},
    // Only where a defect takes the lock away.
    {S::kSerialized, SE::kClose, S::kClosed, {}, kRelease},
    {S::kUnretrieved, SE::kRetrieve, S::kRetrieved, {}, kRetrieve},
    {S::kRetrieved, SE::kPreserveFd, S::kRetrieved, Errno::kInval, kIoctl},
    {S::kRetrieved, SE::kRetrieveFd, S::kRetrieved, {}, kIoctl},
    {S::kRetrieved, SE::kGetName, S::kRetrieved, {}, kIoctl},
    {S::kRetrieved, SE::kFinish, S::kFinished, {}, kIoctl},
    {S::kRetrieved, SE::kRetrieve, S::kRetrieved, Errno::kInval, kRetrieve},
    {S::kRetrieved, SE::kClose, S::kClosed, {}, kRelease},
    {S::kRetrieved, SE::kCloseBusy, S::kOrphan, {}, kRelease},
    {S::kFinished, SE::kPreserveFd, S::kFinished, Errno::kInval, kIoctl},
    {S::kFinished, SE::kRetrieveFd, S::kFinished, {}, kIoctl},
    {S::kFinished, SE::kGetName, S::kFinished, {}, kIoctl},
    {S::kFinished, SE::kFinish, S::kFinished, {}, kIoctl},
    {S::kFinished, SE::kRetrieve, S::kFinished, Errno::kInval, kRetrieve},
    {S::kFinished, SE::kClose, S::kClosed, {}, kRelease},
    {S::kOrphan, SE::kRetrieve, S::kOrphan, Errno::kInval, kRetrieve},
};

constexpr Transition<F, FE> kFiles[] = {
    {F::kPreserved, FE::kFreeze, F::kFrozen, {}, kFile},
    {F::kPreserved, FE::kUnpreserve, F::kAbandoned, {}, kFile},
    {F::kFrozen, FE::kUnfreeze, F::kPreserved, {}, kFile},
    {F::kFrozen, FE::kUnpreserve, F::kAbandoned, {}, kFile},  // as above: without the lock
    {F::kNotRetrieved, FE::kRetrieve, F::kRetrieved, {}, kFile},
    {F::kNotRetrieved, FE::kRetrieveError, F::kRetrieveFailed, {}, kFile},
    {F::kNotRetrieved, FE::kFinish, F::kFinished, {}, kFile},
    {F::kRetrieved, FE::kRetrieve, F::kRetrieved, {}, kFile},
    {F::kRetrieved, FE::kFinish, F::kFinished, {}, kFile},
    // Further tries answer the stored error of the first.
    {F::kRetrieveFailed, FE::kRetrieveError, F::kRetrieveFailed, {}, kFile},
    {F::kRetrieveFailed, FE::kFinish, F::kFinished, {}, kFile},
};

constexpr Transition<B, BE> kFlbs[] = {
    {B::kUnused, BE::kPreserve, B::kPreserved, {}, kFlb},
    {B::kPreserved, BE::kUnpreserve, B::kUnused, {}, kFlb},
    {B::kUnused, BE::kFound, B::kUnretrieved, {}, kFlb},
    {B::kUnretrieved, BE::kRetrieve, B::kRetrieved, {}, kFlb},
    {B::kUnretrieved, BE::kRetrieveError, B::kRetrieveFailed, {}, kFlb},
    {B::kRetrieved, BE::kFinish, B::kFinished, {}, kFlb},
};

}  // namespace

std::span<const Transition<SessionState, SessionEvent>> session_table() { return kSessions; }
std::span<const Transition<FileState, FileEvent>> file_table() { return kFiles; }
std::span<const Transition<FlbState, FlbEvent>> flb_table() { return kFlbs; }

std::string_view name(SessionState state) {
  constexpr std::array<std::string_view, 7> kNames{
      "outgoing", "serialized", "unretrieved", "retrieved", "finished", "orphan", "closed"};
  return kNames.at(static_cast<std::size_t>(state));
}

std::string_view name(FileState state) {
  constexpr std::array<std::string_view, 7> kNames{"preserved", "frozen",          "not-retrieved",
                                                   "retrieved", "retrieve-failed", "finished",
                                                   "abandoned"};
  return kNames.at(static_cast<std::size_t>(state));
}

std::string_view name(FlbState state) {
  constexpr std::array<std::string_view, 6> kNames{"unused",    "preserved",       "unretrieved",
                                                   "retrieved", "retrieve-failed", "finished"};
  return kNames.at(static_cast<std::size_t>(state));
}

}  // namespace baton::luo
