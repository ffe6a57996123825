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
    InvariantRow{
        "bus-master-path", "A preserved device and all bridges above it stay bus masters.",
        "A function without Bus Master Enable sends nothing; a bridge without it answers every "
        "request from below with Unsupported Request. Both bits are noted at the freeze, and one "
        "that was set must not be cleared, nor the function leave D0, until the finish, by any "
        "configuration write or reset.",
        "[PCIe 7.5.1.1.3]; posted pci v9: drivers/pci/pci-driver.c pci_device_shutdown",
        "quickstart", "pci-clear-bus-master"},
    InvariantRow{
        "requester-id-stable",
        "A preserved device sends with the id it had, and completions find back to it.",
        "A device captures bus and device number from the configuration writes it gets; by that id "
        "the remapping unit finds its tables, ports check its requests, and completions are "
        "routed. "
        "The id, and the bus numbers of every bridge above the device, must be those of the freeze "
        "after each configuration write and reset until the finish.",
        "[PCIe 2.2.6.2, 6.12.1.1]; posted pci v9: drivers/pci/liveupdate.c", "quickstart",
        "pci-renumber-buses"},
    InvariantRow{
        "bars-stable", "The BARs of a preserved device hold what they held, and are decoded.",
        "BARs and memory decode of each preserved device are noted at the freeze and compared "
        "after each configuration write to it until the finish. Sizing a BAR moves it for as long "
        "as the ones are in it, although the old value comes back.",
        "[PCIe 7.5.1.2.1]; [linux drivers/pci/probe.c __pci_size_bars]", "quickstart",
        "pci-size-bars"},
    InvariantRow{
        "windows-stable",
        "The windows of the bridges above a preserved device hold what they held.",
        "The window registers of every bridge above a preserved device, and its memory decode, are "
        "noted at the freeze and compared after each configuration write to the bridge until the "
        "finish. A window that is probed or rewritten is closed between two writes.",
        "[PCIe 7.5.1.3]; [linux drivers/pci/probe.c pci_read_bridge_windows]", "quickstart",
        "pci-probe-windows"},
    InvariantRow{
        "config-writes", "Between freeze and finish a preserved device gets only justified writes.",
        "Each configuration write to a preserved device or a bridge above it that changes a "
        "register must change bits of a short list, each entry with its reason (policy "
        "config_writes: three-stage-from-folio): interrupts off and on again, error history "
        "cleared. A write that changes nothing is no violation; it is counted apart, as "
        "config_writes_equal.",
        "posted pci v9, discussion of the cover letter; design target: docs/abi.md", "quickstart",
        "pci-size-bars"},
    InvariantRow{
        "no-reset", "No reset reaches a preserved device.",
        "Between freeze and finish, no preserved function is reset, whatever the kind: function "
        "level reset, secondary bus reset or link disable of a bridge above it, return from D3hot "
        "without No_Soft_Reset.",
        "[PCIe 6.6]; design target: devices keep running", "quickstart", "vfio-reset-at-open"},
    InvariantRow{
        "domain-id-unique", "A domain id belongs to one set of tables.",
        "Entries of the IOTLB are tagged by domain id. Whenever a VM's device sends through "
        "another context entry than before, its domain id and table are read from memory as "
        "hardware would and held against those of the other VMs' devices on the unit: one id with "
        "two tables is a violation.",
        "[VT-d 6.2.4, 9.3]", "one-vm-stays-behind", "iommu-reuse-domain-id"},
    InvariantRow{
        "memory-not-leaked", "What was preserved is taken back.",
        "Every page that a kernel had preserved at its jump must have been restored by the next "
        "one when the handover is over and the run, or that kernel, ends; who restores a page can "
        "free it. Three pages that KHO and LUO read in place and never give back do not count: the "
        "root FDT, the kexec metadata and the page of FLBs.",
        "[linux kernel/liveupdate/kexec_handover.c kho_restore_folio]", "quickstart",
        "vfio-leak-record"},
    InvariantRow{
        "ownership", "No foreign driver or process gets hold of a preserved device.",
        "From the jump to the finish, the driver that binds a preserved device has the name of the "
        "one before the jump, and the process that has its file open, or binds it to its iommufd, "
        "is that of the VM that owned it.",
        "posted vfio v5; posted iommu v5: group owner by token", "two-vms", "vfio-retrieve-first"},
    InvariantRow{
        "fault-log-clean", "No remapping fault between freeze and finish.",
        "A remapping unit that refuses a request or an interrupt between freeze and finish, of any "
        "source but the device of a VM that is no part of the handover, is a violation, whether "
        "the "
        "fault log records it or not.",
        "[VT-d 7]", "quickstart", "iommu-fresh-root"},
    InvariantRow{
        "pause-budget", "No guest stands still for longer than the budget.",
        "From the pause of a guest's vCPU to its resumption, under whichever kernel, no more time "
        "may pass than the scenario's bound of guest_pause, or 2 s where it sets none. A guest "
        "that a panic leaves paused is over any budget.",
        "design target; kexec boots measured at 1 s", "quickstart", "mm-init-on-free"},
    InvariantRow{
        "irq-accounted",
        "Every interrupt is delivered, merged or lost, and no loss goes unnoticed.",
        "Each interrupt that a VM's device raises has an id and is followed to its end: taken by "
        "the "
        "guest, merged with another of its vector that is, or lost. Within 1 ms of running after a "
        "loss the vCPU must get another interrupt of that vector, from the device or made by the "
        "VMM, so that its guest looks; or the owner had taken the interrupts down, and knows. None "
        "may stay on the way for longer than 10 ms while its guest runs, and a kernel that "
        "captures "
        "or notes them may find none that nobody raised.",
        "[PCIe 6.1.4]; [VT-d 5]; [linux drivers/vfio/pci/vfio_pci_intrs.c]", "quickstart",
        "vfio-skip-trigger"},
    InvariantRow{
        "irq-no-orphan", "No interrupt of a VM's device is delivered to nobody.",
        "A message that a VM's device sends must reach a CPU whose kernel has a handler for the "
        "vector. One that finds no kernel, no handler, interrupt remapping switched off or no "
        "entry in the remapping table is a violation, unless the entry drops it in silence (policy "
        "irte-drop) or the kernel notes it for later (policy remember); so is one that a device "
        "cannot send because "
        "a later kernel cleared its MSI-X Enable. The report says which.",
        "[VT-d 5.1]; [linux drivers/iommu/intel/irq_remapping.c]", "quickstart",
        "vfio-keep-interrupts"},
    InvariantRow{
        "device-key", "The record of a function finds that very function in the next kernel.",
        "When a function is preserved the checker notes which one its record stands for, by the "
        "hardware and not by its address. The function that the next kernel takes for it must be "
        "the same, whatever it is called by then, and a function that went on working must have "
        "been found when user space runs. One that lost its power in between need not be found.",
        "posted pci v9: drivers/pci/liveupdate.c; review of its first posting (device paths)",
        "quickstart", "pci-truncate-domain"},
    InvariantRow{
        "mmio-answered", "No access of a guest's CPU to a BAR is lost while there is no kernel.",
        "A vCPU on a core of its own (vms[].resident_vcpu) goes on under the translation that it "
        "had at the pause. Each of its writes to a BAR of the guest's device must reach a "
        "function, "
        "and each read must be answered, with what was written.",
        "[PCIe 2.3.2]; design target: no series keeps a vCPU running", "resident-vcpu",
        "pci-move-bars"},
    InvariantRow{
        "scratch-clear", "Nothing that must survive lies in scratch, and images lie nowhere else.",
        "At each jump with preserved files, setup_data, root FDT and the tree of preserved blocks "
        "are read from memory. No block and no page of the tree may overlap an area of the scratch "
        "table, where the next kernel allocates before it knows what is preserved and where later "
        "images are loaded; every segment of the image must lie inside one.",
        "[linux kernel/liveupdate/kexec_handover.c kho_scratch_overlap, "
        "Documentation/core-api/kho]",
        "quickstart", "kho-tree-in-scratch"},
    InvariantRow{
        "preserved-exactly",
        "What the tree of preserved blocks says is what was preserved; each block is restored "
        "once.",
        "The checker keeps what is preserved and no longer preserved. At the jump the tree in "
        "memory must say the same. Before it no page may be freed while it is preserved; after it "
        "a page may be restored only if it was preserved, and only once.",
        "[linux kernel/liveupdate/kexec_handover.c kho_preserve_folio, kho_restore_page]",
        "quickstart", "kho-vmalloc-unset-order"},
    InvariantRow{
        "process-calls", "What a process of the scenario asks of a kernel is answered as it says.",
        "Every call of a process (processes[].calls[]) must be made, must return, and must come to "
        "what the scenario says: success or a certain errno, a value, fields of a struct, a "
        "content. A wrong answer is told with the place of the call.",
        "[linux tools/testing/selftests/liveupdate]", "kexec-simple", "luo-skip-file-block"},
    InvariantRow{
        "file-callbacks", "What LUO begins with a handler it also ends, once.",
        "A file that was preserved is unpreserved, or frozen and handed over; a freeze is undone "
        "or followed by the jump; the next kernel retrieves a file at most once and finishes it "
        "once, and tells its handler how the retrieve went.",
        "[linux kernel/liveupdate/luo_file.c]", "kexec-simple", "luo-forget-retrieve-error"},
    InvariantRow{
        "file-held-once", "A file belongs to at most one session.",
        "What is preserved twice is frozen twice, and undone by the first of two that gives it up. "
        "The sessions of this kernel and the unfinished ones of the previous kernel count "
        "together.",
        "[linux kernel/liveupdate/luo_file.c]", "kexec-simple", "luo-forget-ids"},
    InvariantRow{
        "flb-order", "A shared object is there for as long as a file depends on it.",
        "An FLB is preserved before the first file of its handlers and unpreserved after the last "
        "one; in the next kernel it is finished after the last file, and not forgotten.",
        "[linux kernel/liveupdate/luo_flb.c]", "quickstart", "luo-flb-counts-references"},
    InvariantRow{
        "handover-record", "What LUO writes for the next kernel is exactly what was preserved.",
        "At the jump the checker walks the bytes in memory from struct luo_ser on and compares "
        "sessions, files, tokens, data, shared objects and counts with what it has seen being "
        "made; handlers are given back what they returned, also when a reboot is tried again.",
        "[linux include/linux/kho/abi/luo.h]", "quickstart", "luo-unfreeze-zeroes-data"},
    InvariantRow{
        "sessions-sealed", "What the reboot hook has written stays as it is, and the jump follows.",
        "From the end of serialization to the jump no session changes and no handler is called. A "
        "kernel that is still there a second later hangs, and every user of a session with it.",
        "[linux kernel/liveupdate/luo_session.c luo_session_serialize]", "kexec-simple",
        "kexec-hang-in-shutdown"},
    InvariantRow{
        "abi-refused", "A kernel refuses what it is handed in a format that it does not know.",
        "The header of LUO names the version of all that it leads to. A kernel that reads another "
        "version than its own trusts fields that mean something else.",
        "[linux kernel/liveupdate/luo_core.c luo_early_startup]", "quickstart",
        "luo-accept-any-compatible"},
    InvariantRow{
        "freeze-stops", "A device that is to be stopped for the jump enters it stopped.",
        "Kernels of vfio v5 hand devices over that do nothing. A function that can be reset has "
        "been reset between the freeze of its file and the jump, it is no bus master at the jump, "
        "and no request of it arrives until it is reset again, by the first open under the next "
        "kernel.",
        "posted vfio v5: drivers/vfio/pci/vfio_pci_liveupdate.c freeze", "next",
        "vfio-skip-freeze-reset"},
    InvariantRow{
        "records-true", "What is recorded of a device's translation is what its hardware does.",
        "At the jump the record of each device that the IOMMU core hands over is read, and what "
        "the context or PASID entry of the function leads to: both must name the same table and "
        "the same domain id. The next kernel believes the record and leaves the entry alone. A "
        "device that gave its page table up, or got another one, after it was preserved "
        "makes its record stale where policy prepared_lockdown allows it.",
        "posted iommu v5: drivers/iommu/intel/liveupdate.c; design target: the record is checked",
        "quickstart", "iommu-record-wrong-id"},
    InvariantRow{
        "guest-unaware", "The guest asks of its device what it asks without a live update.",
        "The scenario is run a second time, with the same seed and without its script and "
        "processes. "
        "What the guest of each VM that is carried does to the BARs of its device must be the same "
        "in both, call by call: address, width, value. Times may differ, and so may what follows "
        "from "
        "them alone: how often a register is read that says the same, and how many completions of "
        "an "
        "NVMe controller are acknowledged at once. A guest that no longer runs at the end is a "
        "violation. It costs a second run, so `holds: all` does not include it: name it.",
        "LPC 2025, Supporting Live Update in VFIO: a live update looks like paused vCPUs",
        "unaware", "pci-clear-bus-master", true},
    InvariantRow{
        "device-unaware",
        "What a preserved device is told and completes is as without a live update.",
        "Of the two runs that guest-unaware compares, what reached each device of a VM is "
        "compared: "
        "configuration writes, register writes, writes to its MSI-X table, resets, device-TLB "
        "invalidations, ways in which its own requests were refused, and the stream of its "
        "completions, queue by queue in the order of each queue: operation, status, bytes. Each "
        "difference is listed "
        "with the run. One that sets up interrupts, as the policies demand, or that writes to "
        "configuration space what is there already, is listed and is no violation. `holds: all` "
        "does not include it: name it.",
        "design target: devices keep running", "unaware", "pci-size-bars", true},
};

constexpr std::array kMeasures{
    MeasureRow{"guest_pause", MeasureUnit::kDuration,
               "longest time between a guest's pause and its resumption"},
    MeasureRow{
        "dma_stall", MeasureUnit::kDuration,
        "longest gap between requests of a preserved device that had work, freeze to finish"},
    MeasureRow{"dma_bytes", MeasureUnit::kBytes,
               "bytes that devices of VMs and of sessions wrote to memory in the whole run"},
    MeasureRow{"dma_bytes_without_kernel", MeasureUnit::kBytes,
               "bytes that they wrote from the freeze to the return of user space"},
    MeasureRow{"guest_mismatches", MeasureUnit::kCount,
               "wrong bytes or records that the guests counted"},
    MeasureRow{"live_updates", MeasureUnit::kCount, "jumps from one kernel to the next"},
    MeasureRow{"config_writes", MeasureUnit::kCount,
               "configuration writes that changed a preserved device or a bridge above it, freeze "
               "to finish"},
    MeasureRow{"config_writes_equal", MeasureUnit::kCount, "such writes that changed nothing"},
    MeasureRow{"functions_missing", MeasureUnit::kCount,
               "functions of the host that the last kernel did not find"},
    MeasureRow{"interrupts_raised", MeasureUnit::kCount,
               "interrupts that devices of VMs and of sessions raised, each with an id and an end"},
    MeasureRow{"interrupts_delivered", MeasureUnit::kCount, "of those, taken by a guest"},
    MeasureRow{"interrupts_merged", MeasureUnit::kCount,
               "of those, one with another of their vector that was delivered"},
    MeasureRow{"interrupts_lost", MeasureUnit::kCount, "of those, lost on the way"},
    MeasureRow{
        "interrupts_not_made_up", MeasureUnit::kCount,
        "of those lost, without another interrupt of their vector within 1 ms of a vCPU that "
        "runs"},
    MeasureRow{"interrupts_under_way", MeasureUnit::kCount, "of those raised, still on the way"},
    MeasureRow{"interrupts_spurious", MeasureUnit::kCount,
               "interrupts that a guest took and no device raised"},
    MeasureRow{"interrupt_faults", MeasureUnit::kCount,
               "remapping faults that were recorded for an interrupt"},
    MeasureRow{"interrupt_wait", MeasureUnit::kDuration,
               "longest time from a device's interrupt to the guest's handler"},
    MeasureRow{"queue_silence", MeasureUnit::kDuration,
               "longest time between two interrupts of a vector that a guest took"},
    MeasureRow{"guest_timeouts", MeasureUnit::kCount,
               "times that a guest's driver gave its device up and reset it"},
    MeasureRow{"guest_interrupts_lost", MeasureUnit::kCount,
               "completions that a guest's timer found and no interrupt had announced"},
    MeasureRow{"guest_batches", MeasureUnit::kCount, "batches of work that the guests got done"},
    MeasureRow{"guest_batches_lost", MeasureUnit::kCount,
               "batches that were in a device when its driver reset it"},
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
