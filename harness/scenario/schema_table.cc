// The table of schema.h.

#include <algorithm>
#include <array>

#include "harness/scenario/schema.h"
#include "harness/scenario/schema_choices.h"

namespace baton::harness {
namespace {

using namespace choices;

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = kKiB * kKiB;
constexpr std::uint64_t kGiB = kKiB * kMiB;
constexpr std::uint64_t kMicrosecond = 1'000'000;
constexpr std::uint64_t kSecond = 1'000'000'000'000;

constexpr bool kMust = true;
constexpr bool kMay = false;

constexpr KeyRow map(std::string_view path, bool required, std::string_view description) {
  return {path, KeyType::kMap, required, "", "", nullptr, 0, 0, description, ""};
}
// The example of the mapping also has this optional key.
constexpr KeyRow map_with(std::string_view path, bool required, std::string_view description,
                          std::string_view key) {
  return {path, KeyType::kMap, required, "", "", nullptr, 0, 0, description, key};
}
constexpr KeyRow list(std::string_view path, bool required, std::string_view description) {
  return {path, KeyType::kList, required, "", "", nullptr, 0, 0, description, ""};
}
constexpr KeyRow text(std::string_view path, KeyType type, bool required, std::string_view fallback,
                      std::string_view description, std::string_view example) {
  return {path, type, required, fallback, "", nullptr, 0, 0, description, example};
}
constexpr KeyRow number(std::string_view path, KeyType type, bool required,
                        std::string_view fallback, std::uint64_t minimum, std::uint64_t maximum,
                        std::string_view description, std::string_view example) {
  return {path, type, required, fallback, "", nullptr, minimum, maximum, description, example};
}
constexpr KeyRow choice(std::string_view path, bool required, std::string_view fallback,
                        std::vector<Choice> (*choices)(), std::string_view description,
                        std::string_view origin = "") {
  return {path, KeyType::kChoice, required, fallback, origin, choices, 0, 0, description, fallback};
}

constexpr std::array kRows{
    choice("baton", kMust, "", ones, "version of the scenario language"),
    text("title", KeyType::kText, kMust, "", "one sentence: what happens here",
         "A DSA keeps copying while the host kernel is replaced"),

    map("machine", kMust, "the host, which lives through every kernel"),
    number("machine.memory", KeyType::kSize, kMay, "64GiB", 4 * kGiB, 4096 * kGiB,
           "RAM, a multiple of 2MiB", "64GiB"),
    number("machine.cpus", KeyType::kNumber, kMay, "1", 1, 255,
           "CPUs that interrupts can be sent to; each has 186 vectors for devices", "4"),
    map("machine.topology", kMust, "the PCI fabric"),
    text("machine.topology.lspci", KeyType::kFile, kMust, "",
         "`lspci -xxxx` output of a real host: its buses, bridges and functions",
         "hosts/switch.lspci"),
    list("machine.topology.add", kMay, "devices beside those of the dump"),
    map_with(
        "machine.topology.add[]", kMay,
        "one device: a DSA or a VMD on a root bus of its own, an NVMe controller behind a port",
        "bus"),
    choice("machine.topology.add[].kind", kMust, "", added_kinds, "what it is"),
    text("machine.topology.add[].name", KeyType::kName, kMust, "", "what the scenario calls it",
         "dsa0"),
    number("machine.topology.add[].segment", KeyType::kNumber, kMay, "0", 0, 0xFFFF,
           "dsa, vmd: PCI segment (Linux: domain) of its root bus", "1"),
    number("machine.topology.add[].bus", KeyType::kNumber, kMay, "", 1, 255,
           "dsa, vmd: number of its root bus, free in the dump", "0x6a"),
    number("machine.topology.add[].device", KeyType::kNumber, kMay, "1", 0, 31, "device number",
           "1"),
    number("machine.topology.add[].function", KeyType::kNumber, kMay, "0", 0, 255,
           "function number; nvme: several with one port are functions of one card, above 7 by ARI",
           "0"),
    text("machine.topology.add[].port", KeyType::kText, kMay, "",
         "nvme: the root port or switch port of the dump above it; nothing may be below it but an "
         "NVMe controller, whose place it then takes; 10000:00:00.0 to 10000:00:03.0 are the ports "
         "of a VMD",
         "00:1c.0"),
    number("machine.topology.add[].size", KeyType::kSize, kMay, "1GiB", 4 * kKiB, 1024 * kGiB,
           "nvme: of its disk, a multiple of 4KiB", "1GiB"),
    number("machine.topology.add[].buffer", KeyType::kSize, kMay, "", 64 * kKiB, 64 * kMiB,
           "nvme: of its controller memory buffer, a power of two; none without", "1MiB"),
    number(
        "machine.topology.add[].vfs", KeyType::kNumber, kMay, "0", 0, 32,
        "nvme: virtual functions that it can have (SR-IOV); sysfs sriov_numvfs makes them appear",
        "4"),
    choice("machine.topology.add[].unsupported_request", kMay, "nonfatal", severities,
           "nvme: how severe firmware makes the error of a request that it does not support"),
    number("machine.topology.add[].rate", KeyType::kRate, kMay, "", 1'000'000, 60'000'000'000,
           "dsa, nvme: bytes that it moves in a second, where no VM's workload says it; without, "
           "what the hardware can",
           "100MB/s"),
    text("machine.topology.add[].session", KeyType::kText, kMay, "",
         "dsa, nvme: the session in which processes of the scenario hand it over; the invariants "
         "watch it as they watch a VM's device",
         "vm"),
    list("machine.topology.add[].traits", kMay, "nvme: what it does not have"),
    choice("machine.topology.add[].traits[]", kMay, "", traits, "a trait by name"),
    list("machine.changes", kMay,
         "what somebody does to the host at a kexec, between two kernels; a card that is touched "
         "loses its power"),
    map_with("machine.changes[]", kMay, "one change, made in the order of the list", "device"),
    number("machine.changes[].kernel", KeyType::kNumber, kMay, "1", 1, 64,
           "before this kernel starts", "1"),
    number("machine.changes[].at", KeyType::kDuration, kMay, "", 0, 3600 * kSecond,
           "remove: not at a kexec, but at this time of the script", "210ms"),
    choice("machine.changes[].do", kMust, "", changes, "what happens"),
    text("machine.changes[].device", KeyType::kName, kMay, "",
         "move, exchange, remove, insert: a device of machine.topology.add", "nvme0"),
    text("machine.changes[].to", KeyType::kText, kMay, "", "move: the port above the empty slot",
         "00:06.0"),
    text("machine.changes[].with", KeyType::kName, kMay, "", "exchange: the other card", "nvme1"),
    text("machine.changes[].function", KeyType::kText, kMay, "",
         "renumber, lose-buses, break-buses: the function, by its address until then", "00:1c.1"),
    text("machine.changes[].as", KeyType::kText, kMay, "",
         "renumber: its address from then on, on the same bus", "00:1c.0"),
    list("machine.changes[].segments", kMay, "swap-segments: the two"),
    number("machine.changes[].segments[]", KeyType::kNumber, kMay, "", 0, 0xFFFF, "a PCI segment",
           "0"),
    map("machine.iommu", kMay, "the remapping units"),
    choice("machine.iommu.kind", kMay, "vtd", iommu_kinds, "whose remapping units they are"),
    choice("machine.iommu.profile", kMay, "sapphire-rapids", iommu_profiles,
           "which part they are: capabilities and address widths"),
    choice("machine.iommu.mode", kMay, "legacy", iommu_modes,
           "table mode that kernels use; scalable: intel_iommu=sm_on"),
    choice("machine.iommu.interrupt_remapping", kMay, "false", booleans,
           "the firmware allows interrupt remapping; kernels use it unless intremap=off"),
    choice("machine.iommu.posted_interrupts", kMay, "false", booleans,
           "the units can post interrupts (CAP.PI)"),
    choice("machine.iommu.caches", kMay, "exact", iommu_caches,
           "what leaves their caches: only what was invalidated, or also what has no room"),
    list("machine.iommu.units", kMay,
         "root buses that have a unit of their own; one more takes what is left of each segment"),
    number("machine.iommu.units[]", KeyType::kNumber, kMay, "", 0, 255, "number of a root bus",
           "0x6a"),
    list("machine.iommu.reserved_regions", kMay,
         "memory that firmware keeps for DMA of some devices (RMRR)"),
    map("machine.iommu.reserved_regions[]", kMay, "one region; firmware chooses where"),
    number("machine.iommu.reserved_regions[].size", KeyType::kSize, kMay, "64KiB", 4 * kKiB,
           64 * kMiB, "its length, a multiple of 4KiB", "64KiB"),
    list("machine.iommu.reserved_regions[].devices", kMust,
         "the devices that use it; no VM can own one of them"),
    text("machine.iommu.reserved_regions[].devices[]", KeyType::kName, kMay, "",
         "a device by name, on a root bus", "dsa1"),

    list("kernels", kMay,
         "generation 0 first; a shorter list than there are kernels repeats its last entry"),
    map("kernels[]", kMay, "one kernel generation"),
    choice("kernels[].preset", kMay, "vision", presets, "which generations its pieces have"),
    choice("kernels[].pci", kMay, "", pci_live_updates,
           "the PCI core's part in live update, if not the preset's"),
    choice("kernels[].iommu", kMay, "", iommu_live_updates,
           "the part of iommufd and the IOMMU driver, if not the preset's"),
    choice("kernels[].vfio", kMay, "", vfio_live_updates, "VFIO's part, if not the preset's"),
    choice("kernels[].pci_core", kMay, "7.x", pci_cores, "which PCI core enumerates the host"),
    choice("kernels[].memfd", kMay, "v2", memfds,
           "whether it can preserve memfds (CONFIG_LIVEUPDATE_MEMFD)"),
    text("kernels[].cmdline", KeyType::kText, kMay, "", "its command line, beside what baton adds",
         "pci=noacpi"),
    list("kernels[].drivers", kMay,
         "drivers that are built in beside pcieport, vmd, pci-pf-stub and vfio-pci"),
    choice("kernels[].drivers[]", kMay, "", builtin_drivers, "a driver by name"),
    map("kernels[].policies", kMay, "policies of this generation alone"),
    choice("kernels[].policies.interrupts", kMay, "", interrupts,
           "a preserved device's interrupts in the gap"),
    choice("kernels[].policies.reinject", kMay, "", reinject,
           "what the VMM injects when the guest resumes"),
    choice("kernels[].policies.msi_at_boot", kMay, "", msi_at_boot,
           "message interrupts of functions that were handed over, in enumeration"),
    choice("kernels[].policies.interrupt_replay", kMay, "", interrupt_replay,
           "when noted interrupts are replayed (interrupts: remember)"),
    choice("kernels[].policies.bus_numbers", kMay, "", bus_numbers,
           "bus numbers, with pci=assign-busses, when devices were handed over"),
    choice("kernels[].policies.acs", kMay, "", acs,
           "the ACS control of functions that were handed over"),
    choice("kernels[].policies.ari", kMay, "", ari,
           "ARI forwarding above functions that were handed over"),
    choice("kernels[].policies.device_key", kMay, "", device_keys,
           "how a record finds its function in the next kernel"),
    choice("kernels[].policies.driver_binding", kMay, "", driver_bindings,
           "who gives a driver to a function that was handed over"),
    choice("kernels[].policies.sriov", kMay, "", sriov,
           "virtual functions that are in use when the kernel is replaced"),
    choice("kernels[].policies.ats", kMay, "", ats,
           "device-TLBs, where unit and function have them"),
    choice("kernels[].policies.interrupt_table", kMay, "", interrupt_tables,
           "the interrupt remapping tables"),
    choice("kernels[].policies.prepared_lockdown", kMay, "", prepared_lockdowns,
           "what can be done to a device between its preservation and the freeze"),
    choice("kernels[].policies.restore_failure", kMay, "", restore_failures,
           "what becomes of handed-over state that cannot be taken over"),
    choice("kernels[].policies.cancel_after_freeze", kMay, "", cancels_after_freeze,
           "what a reboot that fails after the freeze gives back"),
    list("kernels[].defects", kMay, "defects of this generation alone"),
    choice("kernels[].defects[]", kMay, "", defects, "a defect by id"),

    choice("chimera", kMay, "false", booleans,
           "kernels may have pieces together that no kernel and no series had"),
    map("policies", kMay, "policies of all generations"),
    choice("policies.interrupts", kMay, "disable-in-freeze", interrupts,
           "a preserved device's interrupts in the gap", "preset vision"),
    choice("policies.reinject", kMay, "spurious", reinject,
           "what the VMM injects when the guest resumes", "preset vision"),
    choice("policies.msi_at_boot", kMay, "leave", msi_at_boot,
           "message interrupts of functions that were handed over, in enumeration",
           "preset vision"),
    choice("policies.interrupt_replay", kMay, "after-iommu", interrupt_replay,
           "when noted interrupts are replayed (interrupts: remember)", "preset vision"),
    choice("policies.bus_numbers", kMay, "inherit", bus_numbers,
           "bus numbers, with pci=assign-busses, when devices were handed over", "preset vision"),
    choice("policies.acs", kMay, "adopt", acs, "the ACS control of functions that were handed over",
           "preset vision"),
    choice("policies.ari", kMay, "adopt", ari,
           "ARI forwarding above functions that were handed over", "preset vision"),
    choice("policies.device_key", kMay, "sbdf", device_keys,
           "how a record finds its function in the next kernel", "preset vision"),
    choice("policies.driver_binding", kMay, "userspace-preserved", driver_bindings,
           "who gives a driver to a function that was handed over", "preset vision"),
    choice("policies.sriov", kMay, "refuse", sriov,
           "virtual functions that are in use when the kernel is replaced", "preset vision"),
    choice("policies.ats", kMay, "off", ats, "device-TLBs, where unit and function have them",
           "preset vision"),
    choice("policies.interrupt_table", kMay, "new", interrupt_tables,
           "the interrupt remapping tables", "preset vision"),
    choice("policies.prepared_lockdown", kMay, "vfio", prepared_lockdowns,
           "what can be done to a device between its preservation and the freeze", "preset vision"),
    choice("policies.restore_failure", kMay, "panic", restore_failures,
           "what becomes of handed-over state that cannot be taken over", "preset vision"),
    choice("policies.cancel_after_freeze", kMay, "unfreeze", cancels_after_freeze,
           "what a reboot that fails after the freeze gives back", "preset vision"),
    list("defects", kMay, "defects of all generations"),
    choice("defects[]", kMay, "", defects, "a defect by id"),

    list("vms", kMay, "virtual machines"),
    map("vms[]", kMay, "one VM and its VMM process"),
    text("vms[].name", KeyType::kName, kMust, "", "its name", "vm0"),
    number(
        "vms[].memory", KeyType::kSize, kMust, "", 4 * kMiB, 1024 * kGiB,
        "guest memory, a memfd; a multiple of 4KiB; from 2816MiB on all but 2GiB lies above 4GiB",
        "256MiB"),
    choice("vms[].live_update", kMay, "carry", live_updates,
           "carry: it goes on over a kexec; leave: it is no part of a live update and starts anew"),
    choice("vms[].interrupts", kMay, "release", interrupt_uses,
           "what its VMM does with the interrupts of its devices before a reboot"),
    number(
        "vms[].dma_offset", KeyType::kNumber, kMay, "0", 0, std::uint64_t{1} << 40,
        "I/O virtual address at which its devices find guest address 0, a multiple of 4096; none "
        "of its memory may come to lie at the interrupt messages (0xfee00000 to 0xfeefffff)",
        "0xf2000000"),
    number("vms[].vcpu_exit", KeyType::kDuration, kMay, "0s", 0, kSecond,
           "from the guest's last instruction until its VMM has the vCPU's registers", "50us"),
    number("vms[].vcpu_entry", KeyType::kDuration, kMay, "0s", 0, kSecond,
           "from there to the guest's next instruction", "50us"),
    number("vms[].resident_vcpu", KeyType::kDuration, kMay, "", kMicrosecond, kSecond,
           "a second vCPU on a core of its own, which goes on while the first is paused and while "
           "there is no kernel: this often it writes a word of the buffer of the VM's nvme, and "
           "reads it back",
           "20us"),
    list("vms[].devices", kMay, "devices that it owns through VFIO"),
    text("vms[].devices[]", KeyType::kName, kMay, "", "a device by name", "dsa0"),
    map("vms[].workload", kMay, "what the guest does with its device"),
    choice("vms[].workload.kind", kMay, "copy", workloads,
           "what the guest has its device do; all of it is verified"),
    number("vms[].workload.size", KeyType::kSize, kMay, "64KiB", 64, 2 * kMiB,
           "bytes of one copy or disk command", "64KiB"),
    number("vms[].workload.depth", KeyType::kNumber, kMay, "32", 2, 1024,
           "buffers in use, and copies in one batch", "32"),
    number("vms[].workload.rate", KeyType::kRate, kMay, "100MB/s", 1'000'000, 60'000'000'000,
           "bytes that the device moves in a second: sets its speed", "100MB/s"),
    text("vms[].workload.via", KeyType::kName, kMay, "",
         "copy: a second device of the VM, an nvme with a buffer; every copy goes through it, peer "
         "to peer",
         "nvme0"),
    choice("vms[].workload.completions", kMay, "interrupts-and-timer", completions,
           "how the guest learns that its device is done with something"),
    number("vms[].workload.timer", KeyType::kDuration, kMay, "", kMicrosecond, 3600 * kSecond,
           "the guest's timer: how often a guest that polls looks, how long others wait for an "
           "interrupt; without it 5 ms, and 30 s before a driver resets its device",
           "20ms"),
    number(
        "vms[].workload.batches", KeyType::kNumber, kMay, "", 1, 128,
        "batches in flight; without it, as many as keep the device busy while no kernel feeds it "
        "(2 s)",
        "2"),
    choice("vms[].workload.verify", kMay, "full", verifications,
           "full: every byte; sampled: some buffers of each batch"),

    list("script", kMay, "what the operator does, and when"),
    map("script[]", kMay, "one step"),
    number("script[].at", KeyType::kDuration, kMust, "", 0, 3600 * kSecond,
           "simulated time since the devices of all VMs are at work (without any: since user space "
           "runs)",
           "10ms"),
    choice("script[].do", kMust, "", actions, "the step"),
    choice("script[].on_refusal", kMay, "stop", refusals,
           "what the orchestrator does when a VM cannot be preserved: go-on-without preserves what "
           "can be, and what was refused is made anew; when the reboot itself is refused, nobody "
           "says by whom, and everything goes on as with stop"),

    list("processes", kMay,
         "user processes that make system calls; without VMs beside them they have /dev/liveupdate "
         "to themselves"),
    map("processes[]", kMay, "one process; it ends with its last call, or with a wrong answer"),
    text("processes[].name", KeyType::kName, kMust, "", "its name", "test"),
    number("processes[].kernel", KeyType::kNumber, kMay, "0", 0, 63,
           "the kernel generation that it is a process of", "1"),
    number("processes[].at", KeyType::kDuration, kMay, "0s", 0, 3600 * kSecond,
           "its start: simulated time since that kernel's user space is up", "1ms"),
    list("processes[].calls", kMust, "its system calls, in their order"),
    KeyRow{"processes[].calls[]", KeyType::kCall, kMay, "", "", nullptr, 0, 0,
           "one system call: the first key is its name; what comes back must be what `fails`, "
           "`returns`, `gives`, `text` or `bytes` say",
           "{pause: forever}"},

    number(
        "end", KeyType::kDuration, kMay, "", kMicrosecond, 3600 * kSecond,
        "length of the run, counted as `at`; without it, the run ends 200 ms after the last step "
        "of the script has been done",
        "5s"),

    list("expect", kMust, "what must come out"),
    map("expect[]", kMay, "one expectation: holds, violates or measure"),
    KeyRow{
        "expect[].holds", KeyType::kChoices, kMay, "", "", invariants_or_all, 0, 0,
        "invariants that hold: all, an id, or a list of ids; all is every one that a single run "
        "can judge, guest-unaware and device-unaware run twice and are named; a run that was given "
        "up must have looked at each of them, and every run at one",
        "all"},
    KeyRow{"expect[].violates", KeyType::kChoices, kMay, "", "", invariants, 0, 0,
           "an invariant that is known to be violated here, or a list of them",
           "memory-not-reused"},
    choice("expect[].measure", kMay, "", measures, "a quantity of the run"),
    text("expect[].below", KeyType::kBound, kMay, "", "it must be smaller than this", "2s"),
    text("expect[].above", KeyType::kBound, kMay, "", "it must be larger than this", "1MiB"),

    list("vary", kMay,
         "what `baton sweep` varies, one run for each combination; `baton run` takes the scenario "
         "as it stands"),
    map_with("vary[]", kMay,
             "one dimension: key and values, or name and alternatives that set several keys",
             "key"),
    text("vary[].key", KeyType::kText, kMay, "",
         "any key of a scenario, with the numbers of list entries", "policies.reinject"),
    text("vary[].values", KeyType::kValues, kMay, "",
         "what it takes in turn; all: its choices; of a list of choices none and each by itself",
         "all"),
    text("vary[].name", KeyType::kName, kMay, "",
         "what reports call the dimension; without it, its key", "card"),
    list("vary[].alternatives", kMay, "instead of key and values"),
    map("vary[].alternatives[]", kMay, "one alternative"),
    text("vary[].alternatives[].name", KeyType::kName, kMust, "", "what reports call it", "none"),
    list("vary[].alternatives[].set", kMay,
         "values beside the scenario, as --set takes them; without any, the scenario as it stands"),
    text("vary[].alternatives[].set[]", KeyType::kText, kMay, "", "KEY=VALUE", "end=2s"),
    list("table", kMay,
         "measures that a sweep's markdown and svg reports show, in this order; "
         "without any, what became of each function"),
    choice("table[]", kMay, "", measures, "a measure"),
    list("exclude", kMay, "combinations that a sweep leaves out"),
    map("exclude[]", kMay, "the combinations that have all of `when`"),
    list("exclude[].when", kMust, "alternatives of some dimensions"),
    text("exclude[].when[]", KeyType::kText, kMay, "", "DIMENSION=ALTERNATIVE", "card=none"),
    text("exclude[].because", KeyType::kText, kMust, "", "why they mean nothing",
         "this host has no such card"),
};

}  // namespace

std::span<const KeyRow> key_rows() { return kRows; }

const KeyRow* key_row(std::string_view path) {
  const auto found = std::ranges::find(kRows, path, &KeyRow::path);
  return found == kRows.end() ? nullptr : &*found;
}

std::string_view last_part(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

std::vector<const KeyRow*> rows_below(std::string_view path) {
  std::vector<const KeyRow*> result;
  for (const KeyRow& row : kRows) {
    std::string_view rest = row.path;
    if (!path.empty()) {
      if (!rest.starts_with(path)) continue;
      rest.remove_prefix(path.size());
      if (!rest.starts_with('.')) continue;
      rest.remove_prefix(1);
    }
    if (!rest.empty() && rest.find_first_of(".[") == std::string_view::npos) {
      result.push_back(&row);
    }
  }
  return result;
}

}  // namespace baton::harness
