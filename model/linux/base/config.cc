// The table of defects: what each one leaves out or does wrong, and where the real code does it
// right. "posted" is the series of September 2026; "design target" has no upstream series.
#include "model/linux/base/config.h"

#include <algorithm>

namespace baton::linux {

namespace {

constexpr std::array kRows{
    DefectRow{Defect::kKhoSkipFdt, "kho-skip-fdt", "the page of the KHO root FDT is not preserved",
              "linux kernel/liveupdate/kexec_handover.c kho_init", "skip"},
    DefectRow{
        Defect::kKhoTreeInScratch, "kho-tree-in-scratch",
        "the root table of preserved blocks lies in scratch, where the next image is loaded, as "
        "tracker metadata from the KFENCE pool did",
        "linux kernel/liveupdate/kexec_handover.c kho_radix_tree, fixed October 2025", "alter"},
    DefectRow{Defect::kKhoSkipBlobSize, "kho-skip-blob-size",
              "blobs of the root FDT have no blob-size, as before kho-v3",
              "linux kernel/liveupdate/kexec_handover.c kho_add_subtree, fixed by kho-v3", "skip"},
    DefectRow{Defect::kKhoSkipVmallocChunk, "kho-skip-vmalloc-chunk",
              "the first list of pages of each preserved vmalloc area is not preserved",
              "linux kernel/liveupdate/kexec_handover.c new_vmalloc_chunk", "skip"},
    DefectRow{Defect::kKhoVmallocUnsetOrder, "kho-vmalloc-unset-order",
              "a vmalloc area is unpreserved with an order that was never set: its marks stay, its "
              "neighbours' go",
              "linux kernel/liveupdate/kexec_handover.c kho_preserve_vmalloc, error path", "alter"},
    DefectRow{Defect::kKhoOldKexecLoad, "kho-old-kexec-load",
              "the image is loaded by kexec_load, which carries no handover: files are frozen, the "
              "jump happens, nothing is handed over",
              "linux kernel/kexec.c do_kexec_load; kernel/kexec_core.c kernel_kexec", "skip"},
    DefectRow{Defect::kLuoSkipHeader, "luo-skip-header", "struct luo_ser is not preserved",
              "linux kernel/liveupdate/luo_core.c luo_fdt_setup", "skip"},
    DefectRow{Defect::kLuoSkipSessionBlock, "luo-skip-session-block",
              "the block of serialized sessions is not preserved",
              "linux kernel/liveupdate/luo_session.c", "skip"},
    DefectRow{Defect::kLuoSkipFileBlock, "luo-skip-file-block",
              "the block of a session's serialized files is not preserved",
              "linux kernel/liveupdate/luo_file.c", "skip"},
    DefectRow{Defect::kLuoSkipFlbPage, "luo-skip-flb-page",
              "the block of serialized FLBs is not preserved", "linux kernel/liveupdate/luo_flb.c",
              "skip"},
    DefectRow{Defect::kMemfdSkipFolio, "memfd-skip-folio",
              "the middle folio of each memfd is not preserved",
              "linux mm/memfd_luo.c memfd_luo_preserve_folios", "skip"},
    DefectRow{Defect::kMemfdSkipFolioArray, "memfd-skip-folio-array",
              "the array of a memfd's folio records is not preserved",
              "linux mm/memfd_luo.c memfd_luo_preserve_folios", "skip"},
    DefectRow{Defect::kMemfdSkipRecord, "memfd-skip-record",
              "struct memfd_luo_ser of each memfd is not preserved",
              "linux mm/memfd_luo.c memfd_luo_preserve", "skip"},
    DefectRow{Defect::kMemfdLargeAsSmall, "memfd-large-as-small",
              "a folio of 2 MiB is preserved as one of 4 KiB",
              "linux mm/memfd_luo.c memfd_luo_preserve_folios, large folios fixed in v7.2",
              "alter"},
    DefectRow{Defect::kMemfdCleanFolios, "memfd-clean-folios",
              "folios are recorded as clean, so that the next kernel's reclaim drops them",
              "linux mm/memfd_luo.c memfd_luo_preserve_folios, fixed February 2026", "skip"},
    DefectRow{
        Defect::kMemfdStaleFolios, "memfd-stale-folios",
        "folios that preserve made for holes are recorded as not up to date, and so are cleared "
        "at their first use, whatever was written since",
        "linux mm/memfd_luo.c memfd_luo_preserve_folios, fixed February 2026", "skip"},
    DefectRow{Defect::kMemfdIgnoreLateFailure, "memfd-ignore-late-failure",
              "retrieve gives out a memfd although it could not restore all of its folios",
              "linux mm/memfd_luo.c memfd_luo_retrieve, fixed April 2026", "skip"},
    DefectRow{Defect::kIommuSkipPageTable, "iommu-skip-page-table",
              "the last leaf page table of each domain is not preserved",
              "posted iommu v5: drivers/iommu/generic_pt/iommu_pt.h preserve", "skip"},
    DefectRow{Defect::kIommuSkipRootTable, "iommu-skip-root-table",
              "the root table of each remapping unit is not preserved",
              "posted iommu v5: drivers/iommu/intel/liveupdate.c", "skip"},
    DefectRow{Defect::kIommuSkipContextTable, "iommu-skip-context-table",
              "the context tables of each remapping unit are not preserved",
              "posted iommu v5: drivers/iommu/intel/liveupdate.c", "skip"},
    DefectRow{Defect::kIommuSkipRecords, "iommu-skip-records",
              "the first array of device records is not preserved",
              "posted iommu v5: drivers/iommu/liveupdate.c", "skip"},
    DefectRow{Defect::kIommuTranslationOff, "iommu-translation-off",
              "shutdown turns translation off although devices are preserved",
              "posted iommu v5: drivers/iommu/intel/iommu.c intel_iommu_shutdown", "alter"},
    DefectRow{Defect::kIommuFreshRoot, "iommu-fresh-root",
              "the new kernel installs an empty root table",
              "posted iommu v5: drivers/iommu/intel/iommu.c init_dmars", "alter"},
    DefectRow{Defect::kIommuReuseDomainId, "iommu-reuse-domain-id",
              "the new kernel does not reserve the domain ids of preserved domains",
              "posted iommu v5: drivers/iommu/intel/liveupdate.c", "skip"},
    DefectRow{Defect::kIommuIgnoreRecords, "iommu-ignore-records",
              "the new kernel does not look for preserved IOMMU state: devices that run get their "
              "default domain",
              "posted: drivers/iommu/liveupdate.c", "skip"},
    DefectRow{Defect::kIommuOpenGroups, "iommu-open-groups",
              "a driver of the host may bind to a function whose IOMMU group was handed over",
              "posted iommu v5: drivers/iommu/iommu.c iommu_device_use_default_domain", "skip"},
    DefectRow{
        Defect::kIommuTornPasidEntry, "iommu-torn-pasid-entry",
        "the new kernel replaces the PASID entry of a running device in place, word by word: "
        "for a moment the type of the default domain stands with the rest of the restored one",
        "linux drivers/iommu/intel/pasid.c intel_pasid_tear_down_entry", "alter"},
    DefectRow{Defect::kIommufdSkipRecord, "iommufd-skip-record",
              "the record of each iommufd is not preserved",
              "posted iommu v5: drivers/iommu/iommufd/liveupdate.c", "skip"},
    DefectRow{Defect::kIommufdSkipIoas, "iommufd-skip-ioas",
              "the record of IOAS and HWPT objects, baton-iommufd-v1, is not preserved",
              "design target: docs/abi.md", "skip"},
    DefectRow{Defect::kVfioSkipRecord, "vfio-skip-record",
              "the record of each vfio-pci device is not preserved",
              "posted vfio v5: drivers/vfio/pci/vfio_pci_liveupdate.c preserve", "skip"},
    DefectRow{Defect::kVfioSkipState, "vfio-skip-state",
              "the record of device and owner state, baton-vfio-v1, is not preserved",
              "design target: docs/abi.md", "skip"},
    DefectRow{Defect::kVfioKeepInterrupts, "vfio-keep-interrupts",
              "freeze leaves the MSI-X of a preserved device enabled",
              "design target: policy disable-in-freeze", "skip"},
    DefectRow{Defect::kVfioResetAtOpen, "vfio-reset-at-open",
              "the first open after the jump resets the device",
              "linux drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_enable", "alter"},
    DefectRow{Defect::kVfioLeakRecord, "vfio-leak-record",
              "finish does not free the record of each vfio-pci device",
              "posted vfio v5: drivers/vfio/pci/vfio_pci_liveupdate.c finish", "skip"},
    DefectRow{Defect::kVfioRetrieveFirst, "vfio-retrieve-first",
              "retrieve gives out the first device of vfio-pci, whatever the record says",
              "posted vfio v5: drivers/vfio/pci/vfio_pci_liveupdate.c retrieve", "alter"},
    DefectRow{Defect::kPciSkipRecords, "pci-skip-records",
              "struct pci_ser, the list of preserved functions, is not preserved",
              "posted pci v9: drivers/pci/liveupdate.c pci_flb_preserve", "skip"},
    DefectRow{Defect::kPciClearBusMaster, "pci-clear-bus-master",
              "shutdown clears bus master of preserved functions",
              "posted pci v9: drivers/pci/pci-driver.c pci_device_shutdown", "alter"},
    DefectRow{Defect::kPciClearBridgeBusMaster, "pci-clear-bridge-bus-master",
              "shutdown clears bus master of the bridges above preserved functions",
              "posted pci v9: drivers/pci/pci-driver.c pci_device_shutdown", "alter"},
    DefectRow{Defect::kPciSizeBars, "pci-size-bars",
              "the new kernel sizes the BARs of preserved functions, as at a cold boot",
              "linux drivers/pci/probe.c __pci_size_bars; design target: docs/abi.md", "alter"},
    DefectRow{Defect::kPciProbeWindows, "pci-probe-windows",
              "the new kernel probes the windows of preserved bridges, as at a cold boot",
              "linux drivers/pci/probe.c pci_read_bridge_windows; design target: docs/abi.md",
              "alter"},
    DefectRow{Defect::kPciRenumberBuses, "pci-renumber-buses",
              "the new kernel gives out bus numbers afresh, above running devices too",
              "posted pci v9: drivers/pci/probe.c pci_scan_bridge_extend", "alter"},
    DefectRow{Defect::kPciTruncateDomain, "pci-truncate-domain",
              "the new kernel looks preserved functions up by a key that has lost the domain",
              "posted pci v6: drivers/pci/liveupdate.c, the key of the xarray", "alter"},
    DefectRow{Defect::kPciResetBus, "pci-reset-bus",
              "the new kernel resets the bus below the port of each preserved function",
              "posted pci v9: drivers/pci/pci.c pci_reset_secondary_bus", "alter"},
    DefectRow{Defect::kPciMoveBars, "pci-move-bars",
              "the new kernel gives the BARs of preserved functions behind ports other addresses",
              "linux drivers/pci/setup-res.c pci_assign_resource; design target: policy p2p",
              "alter"},
    DefectRow{
        Defect::kPciLowerPayload, "pci-lower-payload",
        "the new kernel lowers Max_Payload_Size of every function to 128 bytes, bridges first, "
        "as pci=pcie_bus_peer2peer does",
        "linux drivers/pci/probe.c pcie_bus_configure_settings", "alter"},
    DefectRow{Defect::kPciEnableAts, "pci-enable-ats",
              "the new kernel enables address translation services of preserved functions",
              "posted pci v9: drivers/pci/ats.c pci_enable_ats", "alter"},
    DefectRow{Defect::kPciClearAcs, "pci-clear-acs",
              "the new kernel clears the ACS control of every function after the scan; it is as "
              "before when the IOMMU core asks for it",
              "posted pci v9: drivers/pci/pci.c pci_enable_acs", "alter"},
    DefectRow{Defect::kMmInitOnFree, "mm-init-on-free",
              "the new kernel clears all free memory before it goes on, as with init_on_free=1",
              "linux mm/mm_init.c mem_init_print_info, init_on_free", "alter"},
};
static_assert(kRows.size() == static_cast<std::size_t>(Defect::kCount));
static_assert(std::is_sorted(kRows.begin(), kRows.end(),
                             [](const DefectRow& a, const DefectRow& b) {
                               return a.defect < b.defect;
                             }));

}  // namespace

std::span<const DefectRow> defect_rows() { return kRows; }

std::optional<Defect> defect_by_id(std::string_view id) {
  const auto row = std::find_if(kRows.begin(), kRows.end(),
                                [id](const DefectRow& other) { return other.id == id; });
  return row == kRows.end() ? std::nullopt : std::optional(row->defect);
}

}  // namespace baton::linux
