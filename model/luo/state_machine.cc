#include "model/luo/state_machine.h"

namespace baton::luo {

namespace {

using linux::Errno;
using linux::Transition;
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

// Guards.
constexpr std::string_view kAllFrozen = "every file has been frozen; else all is undone";
constexpr std::string_view kAllFinish = "every file can finish; else EBUSY and no change";
constexpr std::string_view kAllCan = "every file can finish";
constexpr std::string_view kOneCannot = "a file cannot finish";
constexpr std::string_view kHandlerFroze = "the handler's freeze succeeded";
constexpr std::string_view kAnother = "another file refused, or the jump failed";
constexpr std::string_view kSessionClosed = "its session is closed";
constexpr std::string_view kGaveFile = "the handler gave a file";
constexpr std::string_view kGaveError = "the handler gave an error, which every later try answers";
constexpr std::string_view kAllowed = "the handler allowed it";
constexpr std::string_view kFirstFile = "for the first file that depends on it";
constexpr std::string_view kLastFile = "with the last file";
constexpr std::string_view kListed = "the previous kernel lists it";
constexpr std::string_view kFirstUse = "somebody asks for it the first time";
constexpr std::string_view kCallbackError = "its callback gave an error, which stays the answer";

// A serialized session still passes the check of its kind; it waits at the lock that follows.
constexpr Transition<S, SE> kSessions[] = {
    {S::kOutgoing, SE::kPreserveFd, S::kOutgoing, {}, kIoctl},
    {S::kOutgoing, SE::kRetrieveFd, S::kOutgoing, Errno::kInval, kIoctl},
    {S::kOutgoing, SE::kGetName, S::kOutgoing, {}, kIoctl},
    {S::kOutgoing, SE::kFinish, S::kOutgoing, Errno::kInval, kIoctl},
    {S::kOutgoing, SE::kSerialize, S::kSerialized, {}, kSerialize, kAllFrozen},
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
    {S::kRetrieved, SE::kFinish, S::kFinished, {}, kIoctl, kAllFinish},
    {S::kRetrieved, SE::kRetrieve, S::kRetrieved, Errno::kInval, kRetrieve},
    {S::kRetrieved, SE::kClose, S::kClosed, {}, kRelease, kAllCan},
    {S::kRetrieved, SE::kCloseBusy, S::kOrphan, {}, kRelease, kOneCannot},
    {S::kFinished, SE::kPreserveFd, S::kFinished, Errno::kInval, kIoctl},
    {S::kFinished, SE::kRetrieveFd, S::kFinished, {}, kIoctl},
    {S::kFinished, SE::kGetName, S::kFinished, {}, kIoctl},
    {S::kFinished, SE::kFinish, S::kFinished, {}, kIoctl},
    {S::kFinished, SE::kRetrieve, S::kFinished, Errno::kInval, kRetrieve},
    {S::kFinished, SE::kClose, S::kClosed, {}, kRelease},
    {S::kOrphan, SE::kRetrieve, S::kOrphan, Errno::kInval, kRetrieve},
};

constexpr Transition<F, FE> kFiles[] = {
    {F::kPreserved, FE::kFreeze, F::kFrozen, {}, kFile, kHandlerFroze},
    {F::kPreserved, FE::kUnpreserve, F::kAbandoned, {}, kFile, kSessionClosed},
    {F::kFrozen, FE::kUnfreeze, F::kPreserved, {}, kFile, kAnother},
    // As above: without the lock.
    {F::kFrozen, FE::kUnpreserve, F::kAbandoned, {}, kFile, kSessionClosed},
    {F::kNotRetrieved, FE::kRetrieve, F::kRetrieved, {}, kFile, kGaveFile},
    {F::kNotRetrieved, FE::kRetrieveError, F::kRetrieveFailed, {}, kFile, kGaveError},
    {F::kNotRetrieved, FE::kFinish, F::kFinished, {}, kFile, kAllowed},
    {F::kRetrieved, FE::kRetrieve, F::kRetrieved, {}, kFile, "the same file again"},
    {F::kRetrieved, FE::kFinish, F::kFinished, {}, kFile, kAllowed},
    {F::kRetrieveFailed, FE::kRetrieveError, F::kRetrieveFailed, {}, kFile, "the stored error"},
    {F::kRetrieveFailed, FE::kFinish, F::kFinished, {}, kFile, kAllowed},
};

constexpr Transition<B, BE> kFlbs[] = {
    {B::kUnused, BE::kPreserve, B::kPreserved, {}, kFlb, kFirstFile},
    {B::kPreserved, BE::kUnpreserve, B::kUnused, {}, kFlb, kLastFile},
    {B::kUnused, BE::kFound, B::kUnretrieved, {}, kFlb, kListed},
    {B::kUnretrieved, BE::kRetrieve, B::kRetrieved, {}, kFlb, kFirstUse},
    {B::kUnretrieved, BE::kRetrieveError, B::kRetrieveFailed, {}, kFlb, kCallbackError},
    {B::kRetrieved, BE::kFinish, B::kFinished, {}, kFlb, kLastFile},
};

constexpr std::string_view kSessionStates[] = {"outgoing", "serialized", "unretrieved", "retrieved",
                                               "finished", "orphan",     "closed"};
constexpr std::string_view kSessionEvents[] = {"LIVEUPDATE_SESSION_PRESERVE_FD",
                                               "LIVEUPDATE_SESSION_RETRIEVE_FD",
                                               "LIVEUPDATE_SESSION_GET_NAME",
                                               "LIVEUPDATE_SESSION_FINISH",
                                               "LIVEUPDATE_IOCTL_RETRIEVE_SESSION",
                                               "reboot hook",
                                               "close",
                                               "close, busy"};
constexpr std::string_view kFileStates[] = {"preserved", "frozen",          "not-retrieved",
                                            "retrieved", "retrieve-failed", "finished",
                                            "abandoned"};
constexpr std::string_view kFileEvents[] = {"freeze",   "unfreeze",         "unpreserve",
                                            "retrieve", "retrieve, failed", "finish"};
constexpr std::string_view kFlbStates[] = {"unused",    "preserved",       "unretrieved",
                                           "retrieved", "retrieve-failed", "finished"};
constexpr std::string_view kFlbEvents[] = {"preserve", "unpreserve",       "found",
                                           "retrieve", "retrieve, failed", "finish"};

constexpr StateTable<S, SE> kSessionTable(kSessions, kSessionStates, kSessionEvents);
constexpr StateTable<F, FE> kFileTable(kFiles, kFileStates, kFileEvents);
constexpr StateTable<B, BE> kFlbTable(kFlbs, kFlbStates, kFlbEvents);

}  // namespace

const StateTable<S, SE>& session_table() { return kSessionTable; }
const StateTable<F, FE>& file_table() { return kFileTable; }
const StateTable<B, BE>& flb_table() { return kFlbTable; }

std::string_view name(SessionState state) { return kSessionTable.name(state); }
std::string_view name(FileState state) { return kFileTable.name(state); }
std::string_view name(FlbState state) { return kFlbTable.name(state); }

}  // namespace baton::luo
