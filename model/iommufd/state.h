// What one iommufd and the subsystem remember. Private to this layer.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "model/iommufd/flb.h"
#include "model/iommufd/ioas.h"
#include "model/iommufd/iommufd.h"
#include "model/iommufd/object.h"
#include "model/iommufd/records.h"
#include "model/linux/base/observations.h"
#include "model/linux/uapi/iommufd.h"

namespace baton::iommufd {

class IommufdSubsystem::State {
 public:
  State(linux::KernelServices& kernel_services, kho::Kho& kernel_kho, luo::Luo& kernel_luo,
        luo::MemfdSubsystem& kernel_memfd, linux::iommu::IommuCore& kernel_iommu)
      : services(kernel_services),
        kho(kernel_kho),
        luo(kernel_luo),
        memfd(kernel_memfd),
        iommu(kernel_iommu),
        flb(kernel_services, kernel_kho) {}

  // A block of get_order(bytes), preserved unless a defect forgets it. ENOMEM, E2BIG.
  linux::Result<PhysAddr> write_block(std::span<const std::byte> bytes, const char* owner,
                                      bool preserve);
  linux::Result<std::vector<std::byte>> restore_block(PhysAddr block);
  void publish(linux::LedgerEvent event, PhysAddr record);
  // Generation phase2: iommufds are restored, from contents that are handed over with them. v5, as
  // posted, hands domains over and no more.
  bool restores() const {
    return services.config().pieces.iommu == linux::IommuLiveUpdate::kPhase2;
  }
  bool locks_down() const {
    return services.config().policies.prepared_lockdown != linux::PreparedLockdown::kNone;
  }

  linux::KernelServices& services;
  kho::Kho& kho;
  luo::Luo& luo;
  luo::MemfdSubsystem& memfd;
  linux::iommu::IommuCore& iommu;
  ContentsFlb flb;
  std::uint64_t opened = 0;  // iommufds ever made, for their owner numbers
};

class Iommufd::State {
 public:
  State(IommufdSubsystem::State& shared_state, std::uint64_t owner_number)
      : shared(shared_state), owner(owner_number) {}

  // The object of this id and type. ENOENT.
  template <class T>
  T* find(std::uint32_t id, ObjectType type) {
    const auto found = objects.find(id);
    return found == objects.end() || found->second->type != type
               ? nullptr
               : static_cast<T*>(found->second.get());
  }
  Ioas* ioas(std::uint32_t id) { return find<Ioas>(id, ObjectType::kIoas); }
  Hwpt* hwpt(std::uint32_t id) { return find<Hwpt>(id, ObjectType::kHwpt); }
  Device* device(std::uint32_t id) { return find<Device>(id, ObjectType::kDevice); }

  std::uint32_t free_id() const;
  template <class T>
  T& add(std::unique_ptr<T> object) {
    T& result = *object;
    objects.emplace(result.id, std::move(object));
    return result;
  }

  // Objects.
  linux::Result<Hwpt*> alloc_hwpt(Ioas& ioas, Device& device, linux::iommu::DomainUse use,
                                  bool automatic);
  void destroy_hwpt(Hwpt& hwpt);
  Co<> destroy_ioas(Ioas& ioas);
  linux::Result<Hwpt*> attach_target(Device& device, std::uint32_t pt_id);
  linux::Result<> attach_hwpt(Device& device, Hwpt& hwpt);
  void detach_hwpt(Device& device);
  linux::Result<> attach_pasid(Device& device, std::uint32_t pasid, Hwpt& hwpt);
  void detach_pasid(Device& device, std::uint32_t pasid);
  void put_hwpt(Hwpt& hwpt);  // one user less; an automatic one goes with its last
  std::vector<Hwpt*> marked_hwpts();

  // Requests, one each; `request` is the kernel's copy of the struct, written back afterwards.
  Co<linux::Result<>> destroy(std::span<std::byte> request);
  linux::Result<> ioas_alloc(std::span<std::byte> request);
  linux::Result<> ioas_iova_ranges(linux::Process& process, std::span<std::byte> request);
  linux::Result<> ioas_map(linux::Process& process, std::span<std::byte> request);
  linux::Result<> ioas_map_file(linux::Process& process, std::span<std::byte> request);
  linux::Result<> map_place(Ioas& ioas, std::uint32_t flags, std::uint64_t& iova,
                            std::uint64_t length, std::uint64_t origin, Area& area);
  Co<linux::Result<>> ioas_unmap(std::span<std::byte> request);
  linux::Result<> hwpt_alloc(linux::Process& process, std::span<std::byte> request);
  linux::Result<Hwpt*> nested_alloc(linux::Process& process, const linux::uapi::iommu_hwpt_alloc&,
                                    Device& device, Hwpt& parent);
  linux::Result<> hwpt_invalidate(linux::Process& process, std::span<std::byte> request);
  linux::Result<> get_hw_info(linux::Process& process, std::span<std::byte> request);
  linux::Result<> hwpt_mark(std::span<std::byte> request);

  // Live update, old kernel [posted series iommu v5: drivers/iommu/iommufd/liveupdate.c].
  linux::Result<> check_ioas(luo::Session& session, const Ioas& ioas, Contents& contents);
  linux::Result<> preserve_hwpts(luo::Session& session, Contents& contents, HwptRecords& records);
  linux::Result<PhysAddr> preserve(luo::Session& session);
  linux::Result<> preserve_contents(const Contents& contents);
  void unpreserve();
  void undo_hwpts();
  void free_records();
  linux::Result<> note_device(const Device& device);
  void forget_device(std::uint32_t id);
  bool exporters_preserved() const;

  // New kernel.
  linux::Result<> restore(luo::Session& session, PhysAddr record);
  linux::Result<> restore_objects(luo::Session& session, PhysAddr record,
                                  std::span<const std::byte> record_block);
  linux::Result<> restore_areas(luo::Session& session, const Contents& contents);
  void restore_hwpts(const Contents& contents, const HwptRecords& records);
  linux::Result<> reclaim(linux::pci::PciDev& dev, std::uint32_t& id);
  void note_reclaimed(std::uint32_t hwpt_id);
  linux::Result<> restore_device_memory(Ioas& space, const Contents::MappedArea& record);
  linux::Result<> check_device_memory(const linux::pci::PciDev& dev);
  void finish();

  struct Preserved {
    PhysAddr record;
    PhysAddr contents;
    PhysAddr slots;              // of devices, in the contents
    bool record_marked = false;  // preserved with KHO
    bool contents_marked = false;
    std::vector<Ioas*> made_immutable;
    std::vector<Sbdf> exporters;  // of device memory that is mapped
  };

  // A preserved device that has not been bound in this kernel yet: its id is kept for it.
  struct Awaited {
    Sbdf address;
    std::uint32_t id;
    std::uint32_t hwpt_id;
  };

  // Of a retrieved iommufd, until its session is finished.
  struct Incoming {
    PhysAddr record;
    std::uint64_t token = 0;
    std::vector<Awaited> awaited;
    std::vector<std::uint32_t> hwpt_ids;  // in the record's order
  };

  IommufdSubsystem::State& shared;
  const std::uint64_t owner;  // DMA owner number of this context
  std::map<std::uint32_t, std::unique_ptr<Object>> objects;
  linux::StateOf<ContextState, ContextEvent> context{context_table(), ContextState::kOpen};
  std::optional<Preserved> preserved;
  std::optional<Incoming> incoming;

  // vfio_compat.cc: requests of a VFIO container.
  Co<linux::Result<std::int64_t>> vfio_ioctl(linux::Process& process, std::uint32_t command,
                                             std::span<std::byte> argument);
  linux::Result<std::int64_t> vfio_check_extension(std::uint32_t extension);
  linux::Result<std::int64_t> vfio_map(linux::Process& process,
                                       std::span<const std::byte> argument);
  Co<linux::Result<std::int64_t>> vfio_unmap(std::span<std::byte> argument);
  Ioas* compat();
  std::uint32_t compat_ioas_id = 0;  // 0: none yet
  bool compat_type1 = false;         // SET_IOMMU chose version 1
};

}  // namespace baton::iommufd
