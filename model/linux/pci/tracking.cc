#include "model/linux/pci/tracking.h"

namespace baton::linux::pci {

namespace {

using O = OutgoingState;
using OE = OutgoingEvent;
using I = IncomingState;
using IE = IncomingEvent;

constexpr std::string_view kPreserve = "linux pci/liveupdate.c pci_liveupdate_preserve (v9)";
constexpr std::string_view kUnpreserve = "linux pci/liveupdate.c pci_liveupdate_unpreserve (v9)";
constexpr std::string_view kFreeze = "linux pci/liveupdate.c pci_liveupdate_freeze (v9)";
constexpr std::string_view kSetup = "linux pci/liveupdate.c pci_liveupdate_setup_device (v9)";
constexpr std::string_view kFinish = "linux pci/liveupdate.c pci_liveupdate_finish (v9)";
constexpr std::string_view kVfio = "linux vfio/device_cdev.c, vfio/group.c (vfio/pci v5)";

// Guards.
constexpr std::string_view kMayPreserve =
    "no virtual function (EINVAL; not with policy sriov: adopt), the FLB is there (ENOENT)";
constexpr std::string_view kFirst = "a record of one reference";
constexpr std::string_view kMore =
    "one reference more; a bridge or a physical function, else EBUSY";
constexpr std::string_view kEmptied = "the record is zeroed and can be used again";
constexpr std::string_view kWarned = "a warning: nobody hears an errno";

constexpr OutgoingTable::Row kOutgoing[] = {
    // Assumed: what comes back in the place of a preserved function is taken for it.
    {O::kPlain, OE::kFound, O::kOutgoing, {}, "assumed"},
    {O::kPlain, OE::kPreserve, O::kOutgoing, {}, kPreserve, kMayPreserve},
    {O::kPlain, OE::kPreserveBelow, O::kOutgoing, {}, kPreserve, kFirst},
    {O::kPlain, OE::kUnpreserve, O::kPlain, Errno::kInval, kUnpreserve, kWarned},
    {O::kPlain, OE::kShutdown, O::kFrozen, {}, kFreeze},
    {O::kOutgoing, OE::kFound, O::kOutgoing, {}, "assumed", "a virtual function that comes back"},
    {O::kOutgoing, OE::kPreserve, O::kOutgoing, Errno::kBusy, kPreserve},
    {O::kOutgoing, OE::kPreserveBelow, O::kOutgoing, {}, kPreserve, kMore},
    {O::kOutgoing, OE::kUnpreserve, O::kOutgoing, {}, kUnpreserve, "a reference less, up its path"},
    {O::kOutgoing, OE::kLastReference, O::kPlain, {}, kUnpreserve, kEmptied},
    {O::kOutgoing, OE::kShutdown, O::kOutgoingFrozen, {}, kFreeze, "it keeps its bus master"},
    {O::kFrozen, OE::kPreserve, O::kFrozen, Errno::kInval, kPreserve},
    {O::kFrozen, OE::kPreserveBelow, O::kFrozen, Errno::kInval, kPreserve},
    {O::kFrozen, OE::kUnpreserve, O::kFrozen, Errno::kInval, kUnpreserve, kWarned},
    {O::kFrozen, OE::kShutdown, O::kFrozen, {}, kFreeze},
    {O::kOutgoingFrozen, OE::kPreserve, O::kOutgoingFrozen, Errno::kBusy, kPreserve},
    {O::kOutgoingFrozen, OE::kPreserveBelow, O::kOutgoingFrozen, Errno::kInval, kPreserve},
    {O::kOutgoingFrozen, OE::kUnpreserve, O::kOutgoingFrozen, Errno::kInval, kUnpreserve, kWarned},
    // Of a bridge that is shut down after what was below it has been given up.
    {O::kOutgoingFrozen, OE::kLastReference, O::kFrozen, {}, kUnpreserve, kEmptied},
    {O::kOutgoingFrozen, OE::kShutdown, O::kOutgoingFrozen, {}, kFreeze},
};

constexpr IncomingTable::Row kIncoming[] = {
    {I::kNotHandedOver, IE::kFound, I::kIncoming, {}, kSetup, "its record has references"},
    {I::kNotHandedOver, IE::kOpen, I::kNotHandedOver, {}, kVfio},
    {I::kNotHandedOver, IE::kFinish, I::kNotHandedOver, {}, kFinish, "left out on the way up"},
    // A virtual function that comes back.
    {I::kIncoming, IE::kFound, I::kIncoming, {}, kSetup},
    {I::kIncoming, IE::kOpen, I::kIncoming, Errno::kBusy, kVfio},
    {I::kIncoming, IE::kFinish, I::kIncoming, {}, kFinish, "a reference less, up its path"},
    {I::kIncoming, IE::kLastReference, I::kFinished, {}, kFinish},
    {I::kFinished, IE::kOpen, I::kFinished, {}, kVfio},
    {I::kFinished, IE::kFinish, I::kFinished, {}, kFinish, "left out on the way up"},
};

constexpr std::string_view kOutgoingStates[] = {"plain", "outgoing", "frozen", "outgoing-frozen"};
constexpr std::string_view kOutgoingEvents[] = {
    "found in the records", "preserve", "preserve of something below it", "unpreserve",
    "last reference gone",  "shutdown"};
constexpr std::string_view kIncomingStates[] = {"not-handed-over", "incoming", "finished"};
constexpr std::string_view kIncomingEvents[] = {"found in the records", "open", "finish",
                                                "last reference finished"};

constexpr OutgoingTable kOutgoingTable(kOutgoing, kOutgoingStates, kOutgoingEvents);
constexpr IncomingTable kIncomingTable(kIncoming, kIncomingStates, kIncomingEvents);

}  // namespace

const OutgoingTable& outgoing_table() { return kOutgoingTable; }
const IncomingTable& incoming_table() { return kIncomingTable; }

}  // namespace baton::linux::pci
