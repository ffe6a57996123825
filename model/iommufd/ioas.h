// An I/O address space: areas of IOVA over pinned memory, mirrored into domains [linux
// drivers/iommu/iommufd/io_pagetable.c, pages.c]. Without threads an area is pinned, mapped and
// visible in one step.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "model/iommufd/object.h"
#include "model/linux/base/dma_buf.h"
#include "model/linux/base/kernel_services.h"
#include "model/linux/base/process.h"
#include "model/linux/iommu/iommu.h"
#include "model/luo/memfd/memfd.h"

namespace baton::iommufd {

// A BAR of a device behind an area: no memory, nothing is pinned.
struct DeviceMemory {
  Sbdf exporter;
  std::uint32_t region = 0;
};

struct Area {
  std::uint64_t iova = 0;
  std::uint64_t length = 0;
  linux::iommu::Prot prot;
  luo::Memfd* memfd = nullptr;        // null: memory of a process (type USER)
  std::uint64_t offset = 0;           // in the memfd
  std::uint32_t seals = 0;            // of the memfd when the mapping was made
  std::vector<sim::PhysRange> pages;  // folios: one reference each, unless it is device memory
  std::optional<DeviceMemory> device_memory;
  // That it was mapped from; null after a live update. Once that was revoked there are no pages.
  linux::DmaBuf* dma_buf = nullptr;

  std::uint64_t last() const { return iova + (length - 1); }
};

struct IovaRange {
  std::uint64_t start = 0;
  std::uint64_t last = 0;
};

// Interrupt messages of x86 are no memory; a device brings this reservation along [linux
// drivers/iommu/intel/iommu.c intel_iommu_get_resv_regions].
inline constexpr IovaRange kMessageWindow{0xFEE0'0000, 0xFEEF'FFFF};

class Ioas final : public Object, private linux::DmaBuf::Importer {
 public:
  Ioas(linux::KernelServices& services, linux::iommu::IommuCore& iommu, std::uint32_t object_id,
       IoasState initial = IoasState::kMutable)
      : Object(ObjectType::kIoas, object_id),
        state(ioas_table(), initial),
        services_(services),
        iommu_(iommu) {}

  linux::StateOf<IoasState, IoasEvent> state;  // whether its areas can change

  const std::map<std::uint64_t, Area>& areas() const { return areas_; }

  // A place for `length` bytes whose memory starts at `origin`. ENOSPC.
  linux::Result<std::uint64_t> choose_iova(std::uint64_t length, std::uint64_t origin) const;
  // EINVAL, EOVERFLOW, EEXIST.
  linux::Result<> check_iova(std::uint64_t iova, std::uint64_t length) const;

  // Pin and map. The area's place has been checked. A memfd area takes a reference to its file.
  linux::Result<> map_memfd(Area area);
  // Takes a reference to the dma-buf that the area names. ENODEV: it was revoked.
  linux::Result<> map_dma_buf(Area area);
  linux::Result<> map_user(Area area, linux::Process& process, UserAddr start);
  // Puts back an area whose pages the tables of restored domains already have.
  linux::Result<> restore(Area area);
  linux::Result<> restore_device_memory(Area area);

  // Unmaps whole areas inside the range, in order. ENOENT at an area that the range cuts.
  Co<linux::Result<std::uint64_t>> unmap(std::uint64_t first, std::uint64_t last);

  // A domain that mirrors this IOAS from now on: gets all areas. EADDRINUSE when an area lies
  // beyond what the domain can address.
  linux::Result<> add_domain(linux::iommu::Domain& domain);
  void add_restored_domain(linux::iommu::Domain& domain);
  void remove_domain(linux::iommu::Domain& domain);

  // IOVAs that cannot be used while `owner` is attached. EADDRINUSE when an area has them.
  linux::Result<> reserve(IovaRange range, const void* owner);
  void unreserve(const void* owner);
  std::vector<IovaRange> usable() const;

 private:
  struct Reserved {
    IovaRange range;
    const void* owner;
  };

  Co<> on_revoked(linux::DmaBuf& buffer) override;
  bool overlaps_area(std::uint64_t first, std::uint64_t last) const;
  linux::Result<> pin_memfd(Area& area);
  void unpin(const Area& area);
  void unmap_from_domains(const Area& area);
  linux::Result<> insert(Area area);
  linux::Result<> map_into(linux::iommu::Domain& domain, const Area& area);

  linux::KernelServices& services_;
  linux::iommu::IommuCore& iommu_;
  std::map<std::uint64_t, Area> areas_;
  std::vector<linux::iommu::Domain*> domains_;
  std::vector<Reserved> reserved_;
};

}  // namespace baton::iommufd
