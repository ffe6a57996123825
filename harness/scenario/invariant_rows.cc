#include "harness/scenario/invariant_rows.h"

#include <algorithm>
#include <array>

namespace baton::harness {
namespace {

constexpr std::array kInvariants{
    InvariantRow{
        "dma-continuity",
        "No DMA of a preserved device is refused or stalled between freeze and finish.",
        "Between the freeze and the finish of a handover, every memory request of a preserved "
        "device must arrive, the device must not be reset or halted, and while it has work queued "
        "no two completed requests may be further apart than the bound: 100 us by default, far "
        "above the slowest path of the timing table with every remapping structure missed.",
        "[linux Documentation/core-api/liveupdate.rst]; design target: devices keep running",
        "quickstart", "pci-clear-bus-master"},
    InvariantRow{
        "dma-integrity", "Every byte lands where the guest meant it, once, and nowhere else.",
        "From the freeze on, each request of a preserved device must reach the physical page that "
        "its I/O virtual address meant when the device was preserved, and must not read a page "
        "that a later kernel has overwritten. The guest compares what was copied, byte for byte; "
        "a mismatch that it counts is a violation too.",
        "[VT-d 3.7]; [linux Documentation/core-api/kho]", "quickstart", "iommu-translation-off"},
    InvariantRow{
        "isolation", "No device reaches memory of another domain, of the kernel, or freed memory.",
        "The checker keeps its own account of who owns each page, from what every kernel's page "
        "allocator gives out and takes back, and of the file that each page of guest memory was "
        "made for. A request of a VM's device that ends in a page which is not memory of its own "
        "guest at that instant is a violation.",
        "[VT-d 3.1]", "quickstart", "memfd-skip-folio"},
    InvariantRow{
        "memory-not-reused", "Preserved memory is not given away.",
        "At the jump the checker walks the remapping tables in memory as hardware does: the "
        "tables and every page that they map for a preserved device must survive, with what the "
        "kernels recorded as preserved. None of it may be released to the next kernel's page "
        "allocator or handed out by it before the finish.",
        "[linux kernel/liveupdate/kexec_handover.c]", "quickstart", "iommu-skip-page-table"},
    InvariantRow{
        "translation-equal",
        "The mapping of every preserved device is the same before, during and after.",
        "What the tables map for a preserved device at the freeze is recorded, and compared with "
        "what they map at the jump, when memory is released, when a root table is installed, and "
        "in every later phase until the finish.",
        "[VT-d 3.4, 3.7]", "quickstart", "iommu-skip-page-table"},
    InvariantRow{
        "session-complete",
        "Every preserved session is retrieved and finished, and no kernel dies on the way.",
        "A LUO session that was preserved when the machine jumped must be retrieved and finished "
        "by the end of the run. A kernel that stops with a panic after the jump is a violation, "
        "with the reason that it printed.",
        "[linux kernel/liveupdate/luo_session.c]", "quickstart", "luo-skip-header"},
};

constexpr std::array kMeasures{
    MeasureRow{"guest_pause", MeasureUnit::kDuration,
               "longest time between a guest's pause and its resumption"},
    MeasureRow{
        "dma_stall", MeasureUnit::kDuration,
        "longest gap between requests of a preserved device that had work, freeze to finish"},
    MeasureRow{"dma_bytes", MeasureUnit::kBytes,
               "bytes that the VMs' devices wrote to memory in the whole run"},
    MeasureRow{"dma_bytes_without_kernel", MeasureUnit::kBytes,
               "bytes that they wrote from the freeze to the return of user space"},
    MeasureRow{"guest_mismatches", MeasureUnit::kCount,
               "wrong bytes or records that the guests counted"},
    MeasureRow{"live_updates", MeasureUnit::kCount, "jumps from one kernel to the next"},
};

}  // namespace

std::span<const InvariantRow> invariant_rows() { return kInvariants; }

const InvariantRow* invariant_row(std::string_view id) {
  const auto found = std::ranges::find(kInvariants, id, &InvariantRow::id);
  return found == kInvariants.end() ? nullptr : &*found;
}

std::span<const MeasureRow> measure_rows() { return kMeasures; }

const MeasureRow* measure_row(std::string_view id) {
  const auto found = std::ranges::find(kMeasures, id, &MeasureRow::id);
  return found == kMeasures.end() ? nullptr : &*found;
}

}  // namespace baton::harness
