// The handler "iommufd-v1" in the new kernel. Generation v5, as posted: no iommufd comes back, and
// its session cannot be finished. phase2 is a design target, no upstream series; the bytes come
// from another kernel and are not trusted.
#include <algorithm>
#include <set>

#include "model/iommufd/state.h"

namespace baton::iommufd {

using linux::Errno;
using linux::fail;
using linux::Result;

// Takes a block over from the previous kernel. EIO when it was not preserved.
Result<std::vector<std::byte>> IommufdSubsystem::State::restore_block(PhysAddr block) {
  sim::PhysicalMemory& ram = services.port().ram();
  if (block.page_offset() != 0 || !ram.contains(block, sim::kPageSize)) {
    return fail(Errno::kInval);
  }
  const std::optional<unsigned> order = kho.restore_folio(block);
  if (!order) {
    return fail(Errno::kIo);
  }
  std::vector<std::byte> bytes(sim::kPageSize << *order);
  ram.read(block, bytes);
  return bytes;
}

Co<Result<linux::File*>> IommufdSubsystem::retrieve(luo::FileArgs& args) {
  State& state = *state_;
  if (!state.restores()) {
    co_return fail(Errno::kOpNotSupp);
  }
  if (auto flb = co_await state.luo.get_incoming(state.flb); !flb) {
    co_return fail(flb.error());
  }
  const Result<linux::File*> file = open_device();
  Iommufd& iommufd = *from_file(**file);
  const PhysAddr record(args.serialized_data);
  const Result<> restored = iommufd.state_->restore(*args.session, record);
  co_await state.luo.put_incoming(state.flb);
  if (!restored) {
    // Nothing was bound or taken; the domains stay with the IOMMU core and the devices run on.
    co_await state.services.files().put(**file);
    co_return fail(restored.error());
  }
  state.publish(linux::LedgerEvent::kRestored, record);
  co_return *file;
}

Result<> Iommufd::State::restore(luo::Session& session, PhysAddr record) {
  const auto record_block = shared.restore_block(record);
  if (!record_block) {
    return fail(record_block.error());
  }
  const Result<> restored = restore_objects(session, record, *record_block);
  if (!restored) {
    shared.services.pages().free(record);
  }
  return restored;
}

Result<> Iommufd::State::restore_objects(luo::Session& session, PhysAddr record,
                                         std::span<const std::byte> record_block) {
  const std::optional<ContentsFlb::Entry> entry = shared.flb.take(record);
  if (!entry) {
    return fail(Errno::kInval);
  }
  const PhysAddr place(entry->contents);
  const auto contents_block = shared.restore_block(place);
  if (!contents_block) {
    return fail(contents_block.error());
  }
  shared.services.pages().free(place);
  const std::span<const std::byte> bytes(*contents_block);
  const auto records = decode_hwpts(record_block);
  const auto contents =
      Contents::decode(bytes.first(std::min<std::uint64_t>(entry->bytes, bytes.size())));
  if (!records || !contents || records->size() != contents->hwpts.size()) {
    return fail(Errno::kInval);
  }
  std::set<PhysAddr> domains;
  for (const HwptRecord& hwpt_record : *records) {
    if (!domains.insert(hwpt_record.domain).second) {
      return fail(Errno::kInval);
    }
  }
  if (auto areas = restore_areas(session, *contents); !areas) {
    return areas;
  }
  restore_hwpts(*contents, *records);
  context.commit(ContextEvent::kRestore);
  incoming = Incoming{};
  incoming->record = record;
  incoming->token = contents->token;
  for (const auto& device_entry : contents->devices) {
    incoming->awaited.push_back({device_entry.address, device_entry.id, device_entry.hwpt_id});
    ++hwpt(device_entry.hwpt_id)->users;  // hardware still walks its table
  }
  for (const auto& hwpt_entry : contents->hwpts) {
    incoming->hwpt_ids.push_back(hwpt_entry.id);
  }
  return {};
}

// ENOENT as long as a memfd has not been retrieved in this session.
Result<> Iommufd::State::restore_areas(luo::Session& session, const Contents& contents) {
  auto area = contents.areas.begin();
  for (const auto& entry : contents.ioas) {
    Ioas& space =
        add(std::make_unique<Ioas>(shared.services, shared.iommu, entry.id, IoasState::kRestored));
    for (std::uint32_t i = 0; i < entry.areas; ++i, ++area) {
      if (area->region) {
        if (auto done = restore_device_memory(space, *area); !done) {
          return done;
        }
        continue;
      }
      const Result<linux::File*> file = shared.luo.retrieved_file(session, area->memfd_token);
      if (!file) {
        return fail(file.error());
      }
      Area restored;
      restored.iova = area->iova;
      restored.length = area->length;
      restored.prot = {area->read, area->write};
      restored.memfd = shared.memfd.from_file(**file);
      restored.offset = area->offset;
      if (restored.memfd == nullptr || area->offset > restored.memfd->size() ||
          area->length > restored.memfd->size() - area->offset) {
        return fail(Errno::kInval);
      }
      restored.seals = restored.memfd->seals();
      if (auto done = space.restore(std::move(restored)); !done) {
        return done;
      }
    }
  }
  return {};
}

// Device memory has no file: the record says whose it is and where. Never memory of the host.
Result<> Iommufd::State::restore_device_memory(Ioas& space, const Contents::MappedArea& record) {
  const PhysAddr first(record.offset);
  const bool memory = std::ranges::any_of(
      shared.services.port().memory_map().entries, [&](const host::MemoryMapEntry& entry) {
        return entry.type == host::MemoryType::kRam && entry.range.start < first + record.length &&
               first < entry.range.start + entry.range.length;
      });
  if (memory || *record.region > 5) {
    return fail(Errno::kInval);
  }
  Area restored;
  restored.iova = record.iova;
  restored.length = record.length;
  restored.prot = {record.read, record.write};
  restored.device_memory = DeviceMemory{{static_cast<std::uint32_t>(record.memfd_token),
                                         Bdf(static_cast<std::uint16_t>(record.memfd_token >> 32))},
                                        *record.region};
  // Of a length that no BAR has, nothing is built.
  constexpr std::uint64_t kLargestBar = std::uint64_t{1} << 34;
  if (record.length > kLargestBar) {
    return fail(Errno::kInval);
  }
  restored.pages.push_back({first, record.length});
  return space.restore_device_memory(std::move(restored));
}

// Tables in use lead to the address that a BAR had. EADDRNOTAVAIL when it is elsewhere now.
Result<> Iommufd::State::check_device_memory(const linux::pci::PciDev& dev) {
  for (const auto& [id, object] : objects) {
    if (object->type != ObjectType::kIoas) {
      continue;
    }
    for (const auto& [iova, area] : static_cast<const Ioas&>(*object).areas()) {
      if (!area.device_memory || area.pages.empty() ||  // revoked
          area.device_memory->exporter != dev.address) {
        continue;
      }
      const linux::pci::Resource& bar = dev.resources[area.device_memory->region];
      const PhysAddr first = area.pages.front().start;
      if (bar.size != 0 && bar.start <= first && first + area.length <= bar.start + bar.size) {
        continue;
      }
      shared.services.print(sim::LogLevel::kError,
                            "iommufd: BAR {} of {} has moved away from where it is mapped",
                            area.device_memory->region, to_string(dev.address));
      return fail(Errno::kAddrNotAvail);
    }
  }
  return {};
}

// A HWPT whose domain no device brought back at boot stays without one: nothing can attach to it.
void Iommufd::State::restore_hwpts(const Contents& contents, const HwptRecords& records) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    Ioas& space = *ioas(contents.hwpts[i].ioas_id);
    Hwpt& restored = add(std::make_unique<Hwpt>(contents.hwpts[i].id, space, HwptState::kRestored));
    restored.automatic = contents.hwpts[i].automatic;
    restored.token = records[i].token;
    restored.domain = shared.iommu.take_restored_domain(records[i].domain);
    if (restored.domain != nullptr) {
      space.add_restored_domain(*restored.domain);
    }
    ++space.users;
  }
}

// BIND of a device that was preserved behind this iommufd: the group's owner is our token, the
// domain is already attached, and the device object has its old id.
Result<> Iommufd::State::reclaim(linux::pci::PciDev& dev, std::uint32_t& id) {
  if (const auto may = context.check(ContextEvent::kReclaim); !may) {
    return may;
  }
  const auto found =
      std::find_if(incoming->awaited.begin(), incoming->awaited.end(),
                   [&](const Awaited& device) { return device.address == dev.recorded_as(); });
  if (found == incoming->awaited.end()) {
    return fail(Errno::kNoEnt);
  }
  if (auto checked = check_device_memory(dev); !checked) {
    return checked;
  }
  if (auto owned = shared.iommu.reclaim_dma_owner(dev, incoming->token, owner); !owned) {
    return owned;
  }
  const Awaited awaited = *found;
  incoming->awaited.erase(found);
  Device& device = add(std::make_unique<Device>(awaited.id, dev));
  Hwpt& attached = *hwpt(awaited.hwpt_id);
  if (attached.domain != nullptr && shared.iommu.attached(dev) == attached.domain.get()) {
    device.attachment.commit(AttachEvent::kAttach);
    device.hwpt = &attached;
    static_cast<void>(attached.ioas.reserve(kMessageWindow, &device));
  } else {
    --attached.users;
  }
  note_reclaimed(awaited.hwpt_id);
  id = awaited.id;
  return {};
}

// iommufd_hwpt_ser.reclaimed, once the last device of the HWPT is back.
void Iommufd::State::note_reclaimed(std::uint32_t hwpt_id) {
  const auto waits = [&](const Awaited& device) { return device.hwpt_id == hwpt_id; };
  if (std::any_of(incoming->awaited.begin(), incoming->awaited.end(), waits)) {
    return;
  }
  hwpt(hwpt_id)->state.commit(HwptEvent::kReclaim);
  const auto& ids = incoming->hwpt_ids;
  const auto index =
      static_cast<std::uint64_t>(std::find(ids.begin(), ids.end(), hwpt_id) - ids.begin());
  shared.services.port().ram().store(incoming->record + reclaimed_offset(index), std::uint8_t{1});
}

// Every preserved HWPT must have been reclaimed; in generation v5 nobody can.
Co<bool> IommufdSubsystem::can_finish(luo::FileArgs& args) {
  if (state_->services.has(linux::Defect::kIommufdFinishEarly)) {
    co_return true;
  }
  if (args.retrieve_status != 1 || args.file == nullptr) {
    co_return false;
  }
  const auto& incoming = from_file(*args.file)->state_->incoming;
  co_return !incoming || incoming->awaited.empty();
}

Co<> IommufdSubsystem::finish(luo::FileArgs& args) {
  if (args.file != nullptr) {
    from_file(*args.file)->state_->finish();
    state_->publish(linux::LedgerEvent::kFinished, PhysAddr(args.serialized_data));
  }
  co_return;
}

void Iommufd::State::finish() {
  context.commit(ContextEvent::kFinish);
  shared.services.pages().free(incoming->record);
  incoming.reset();
  for (const auto& [id, object] : objects) {
    if (object->type == ObjectType::kIoas) {
      static_cast<Ioas&>(*object).state.commit(IoasEvent::kFinish);
    } else if (object->type == ObjectType::kHwpt) {
      static_cast<Hwpt&>(*object).state.commit(HwptEvent::kFinish);
    }
  }
}

}  // namespace baton::iommufd
