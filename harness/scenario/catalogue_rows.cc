#include "harness/scenario/catalogue_rows.h"

namespace baton::harness {
namespace {

constexpr std::array kDevices{
    DeviceRow{"dsa", "a Data Streaming Accelerator: copies memory by descriptors",
              "A root complex integrated endpoint on a root bus of its own: registers, commands, "
              "dedicated work queues, no-op, batch, drain, move, fill and compare, completion "
              "records, MSI-X, halt and resets. Work that is queued goes on while no kernel runs.",
              "ATS, page requests, the event log, shared work queues, the other operations.",
              "[DSA 341204]; [linux tools/testing/selftests/vfio/lib/drivers/dsa/dsa.c]"},
    DeviceRow{"nvme", "an NVMe controller with one disk: writes and reads blocks",
              "An endpoint behind a port of the dump, with the bridges above it: registers, admin "
              "queue, up to four pairs of I/O queues, PRPs and their lists, Identify, features, "
              "log pages, read, write, flush, status codes, MSI-X, shutdown and resets. Queued "
              "commands go on while no kernel runs; the queue is the limit of how long.",
              "SGLs, metadata, further namespaces, Abort of a running command, interrupt "
              "coalescing, INTx and MSI.",
              "[NVMe 1.4, 3 to 7]; [linux drivers/nvme/host/pci.c]"},
    DeviceRow{"vmd", "a Volume Management Device: a PCI domain of its own behind an endpoint",
              "An endpoint on a root bus of its own with four root ports behind it, whose "
              "configuration space its first BAR carries. Linux gives the domain a number from "
              "0x10000, numbers its buses and resets what it finds. What is behind it sends with "
              "its requester id and belongs to its IOMMU group.",
              "Memory of the functions behind it, its interrupts, bus restrictions, a second one.",
              "[linux drivers/pci/controller/vmd.c]"},
};

constexpr std::array kV72{
    PieceRow{"kho", "v4", "Kexec HandOver with the radix tree of preserved memory (v7.2)",
             "read in source"},
    PieceRow{"luo", "v5", "Live Update Orchestrator: sessions, files, FLBs (v7.2)",
             "read in source"},
    PieceRow{"memfd", "v2", "memfds with their seals (v7.2)", "read in source"},
    PieceRow{"pci_core", "7.x", "enumeration that sizes BARs in one batch", "read in source"},
    PieceRow{"pci", "none", "every function is enumerated as at a cold boot", "read in source"},
    PieceRow{"iommu", "none", "PRESERVE_FD of an iommufd is ENOENT; shutdown turns translation off",
             "read in source"},
    PieceRow{"vfio", "none", "PRESERVE_FD of a device is ENOENT; shutdown clears its bus master",
             "read in source"},
};

constexpr std::array kNext{
    PieceRow{"kho", "v4", "Kexec HandOver with the radix tree of preserved memory (v7.2)",
             "read in source"},
    PieceRow{"luo", "v5", "Live Update Orchestrator: sessions, files, FLBs (v7.2)",
             "read in source"},
    PieceRow{"memfd", "v2", "memfds with their seals (v7.2)", "read in source"},
    PieceRow{"pci_core", "7.x", "enumeration that sizes BARs in one batch", "read in source"},
    PieceRow{"pci", "v9", "the PCI core's list of preserved functions; needs luo", "posted"},
    PieceRow{"iommu", "v5",
             "domains, devices and units come back; no iommufd does, and no session that holds one "
             "can be finished; needs luo",
             "posted"},
    PieceRow{"vfio", "v5",
             "the identity of a device comes back; freeze demands its interrupts to be down and "
             "resets it; needs pci v9",
             "posted"},
};

constexpr std::array kVision{
    PieceRow{"kho", "v4", "Kexec HandOver with the radix tree of preserved memory (v7.2)",
             "read in source"},
    PieceRow{"luo", "v5", "Live Update Orchestrator: sessions, files, FLBs (v7.2)",
             "read in source"},
    PieceRow{"memfd", "v2", "memfds with their seals (v7.2)", "read in source"},
    PieceRow{"pci_core", "7.x", "enumeration that sizes BARs in one batch", "read in source"},
    PieceRow{"pci", "v9", "the PCI core's list of preserved functions", "posted"},
    PieceRow{"iommu", "phase2", "records of series v5; iommufd and HWPT restored; needs luo",
             "posted; assumed beyond v5"},
    PieceRow{"vfio", "running", "record of series v5; no reset, DMA goes on; needs pci v9",
             "posted; assumed beyond v5"},
};

constexpr std::array kPresets{
    PresetRow{"v7.2", "mainline: memfds cross a kexec, devices do not",
              "Linux v7.2 as released. Memory of a VM can be handed over; its devices are stopped "
              "by the shutdown of the old kernel, and the next one knows nothing of them.",
              kV72},
    PresetRow{"next", "the series of September 2026: devices are stopped, and come back",
              "The posted series of PCI (v9), IOMMU (v5, phase 1) and VFIO (v5) on top of v7.2. A "
              "device keeps its identity and is reset in the freeze; its translation comes back, "
              "but nobody can take it over yet. `iommu: none` is VFIO v5 as it was posted, without "
              "the IOMMU series: then the device can be used again.",
              kNext},
    PresetRow{"vision", "the design target: a device never stops; no such kernel exists",
              "It takes the posted series of September 2026 and goes on to where their roadmaps "
              "point. What it keeps beyond the posted records lies in records of its own, listed "
              "in docs/abi.md and marked there as having no upstream series.",
              kVision},
};

constexpr std::array kSources{
    SourceRow{"acpi", "ACPI", "Advanced Configuration and Power Interface Specification 6.5",
              "RSDP, XSDT, MCFG, the E820 map's types"},
    SourceRow{"github-docs", "GitHub Docs", "GitHub's documentation of workflow commands",
              "the report `github`"},
    SourceRow{"intel-dsa", "DSA",
              "Intel Data Streaming Accelerator Architecture Specification, order number 341204",
              "registers, descriptors, completion records, commands of the device `dsa`"},
    SourceRow{"intel-sdm", "Intel SDM", "Intel 64 Software Developer's Manual, volume 3",
              "the address and data of interrupt messages"},
    SourceRow{"intel", "Intel", "Specifications of Intel, named in full where they are cited",
              "the header comments of the device models"},
    SourceRow{"ktap", "KTAP", "The Kernel Test Anything Protocol, version 1",
              "the report of that name [linux Documentation/dev-tools/ktap.rst]"},
    SourceRow{"kuper-2024", "Kuper", "Kuper et al., ASPLOS 2024: an analysis of Intel DSA",
              "the device's throughput at saturation"},
    SourceRow{"linux", "linux", "Linux, v7.2 unless a citation says otherwise",
              "the kernel's steps, their order, its user interface and its records; the files are "
              "items of this list"},
    SourceRow{"neugebauer-2018", "Neugebauer",
              "Neugebauer et al., SIGCOMM 2018: Understanding PCIe performance for end host "
              "networking",
              "the scale of a DMA read's latency"},
    SourceRow{"nvme-base", "NVMe", "NVM Express Base Specification",
              "registers, queues and commands of the device `nvme`"},
    SourceRow{"pci-bridge", "PCI-to-PCI bridge", "PCI-to-PCI Bridge Architecture Specification 1.2",
              "windows, bus numbers, forwarding"},
    SourceRow{"pci-local-bus", "PCI", "PCI Local Bus Specification 3.0",
              "configuration headers, MSI and MSI-X"},
    SourceRow{"pci-pm", "PCI PM", "PCI Power Management Specification 1.2", "power states"},
    SourceRow{"pcie", "PCIe", "PCI Express Base Specification 6.x",
              "configuration space, capabilities, routing, ids, resets"},
    SourceRow{"pciutils", "pciutils", "pciutils: lspci and its dump format",
              "the grammar of machine.topology.lspci"},
    SourceRow{"rfc-3629", "RFC 3629", "RFC 3629: UTF-8, a transformation format of ISO 10646",
              "what reports write of texts that are no UTF-8"},
    SourceRow{"perfetto", "Perfetto", "Perfetto's trace protobuf", "the format of --trace"},
    SourceRow{"posted", "posted", "Series posted to the lists, September 2026",
              "what no released kernel has; each series has a row of its own"},
    SourceRow{"posted-iommu-v5", "posted series iommu v5",
              "IOMMU live update, series v5, posted to the lists, September 2026",
              "records of domains and devices, takeover of translation"},
    SourceRow{"posted-pci-v9", "posted series pci v9",
              "PCI live update, series v9, posted to the lists, September 2026",
              "the list of preserved functions, what shutdown and enumeration leave alone"},
    SourceRow{"posted-vfio-v5", "posted series vfio v5",
              "VFIO live update, series v5, posted to the lists, September 2026",
              "the record and the callbacks of vfio-pci"},
    SourceRow{"sarif", "OASIS", "Static Analysis Results Interchange Format 2.1.0",
              "the reports of that name"},
    SourceRow{"unicode", "Unicode", "Unicode Standard, Annex 11: East Asian Width",
              "where a caret stands under wide characters"},
    SourceRow{"vt-d", "VT-d",
              "Intel Virtualization Technology for Directed I/O, Architecture Specification",
              "the remapping unit: registers, tables, caches, invalidation, faults, DMAR"},
};

}  // namespace

std::span<const DeviceRow> device_rows() { return kDevices; }
std::span<const PresetRow> preset_rows() { return kPresets; }
std::span<const SourceRow> source_rows() { return kSources; }

}  // namespace baton::harness
