// The handler "iommufd-v1" in the old kernel [posted series iommu v5:
// drivers/iommu/iommufd/liveupdate.c]. Generation v5 is that series ("phase 1": the next kernel
// restores domains, no iommufd); phase2, the design target, adds the contents (records.h).
#include <algorithm>

#include "model/iommufd/state.h"
#include "model/luo/memfd/memfd.h"
#include "sim/check.h"

namespace baton::iommufd {

using linux::Defect;
using linux::Errno;
using linux::fail;
using linux::Result;

namespace {

// The DMA owner of an iommufd is the address of its context, as upstream's is; a preserved group is
// owned by a token, a small number.
constexpr std::uint64_t kContextAddresses = 0xFFFF'8880'0000'0000;

}  // namespace

IommufdSubsystem::IommufdSubsystem(linux::KernelServices& services, kho::Kho& kho, luo::Luo& luo,
                                   luo::MemfdSubsystem& memfd, linux::iommu::IommuCore& iommu)
    : state_(std::make_unique<State>(services, kho, luo, memfd, iommu)) {}

IommufdSubsystem::~IommufdSubsystem() = default;

void IommufdSubsystem::init() {
  State& state = *state_;
  if (state.services.config().pieces.iommu == linux::IommuLiveUpdate::kNone) {
    return;
  }
  Result<> registered = state.luo.register_handler(*this);
  if (registered) {
    registered = state.luo.register_flb(*this, state.iommu);
  }
  if (registered && state.restores()) {
    registered = state.luo.register_flb(*this, state.flb);
  }
  if (!registered && registered.error() != Errno::kOpNotSupp) {
    state.services.print(sim::LogLevel::kError, "iommufd: live update: {}",
                         name(registered.error()));
  }
}

Result<linux::File*> IommufdSubsystem::open_device() {
  const std::uint64_t owner = kContextAddresses + 0x1000 * ++state_->opened;
  auto state = std::make_unique<Iommufd::State>(*state_, owner);
  std::unique_ptr<Iommufd> file(new Iommufd(std::move(state)));
  return &state_->services.files().add(std::move(file));
}

Iommufd* IommufdSubsystem::from_file(linux::File& file) { return dynamic_cast<Iommufd*>(&file); }

std::string_view IommufdSubsystem::compatible() const { return "iommufd-v1"; }

bool IommufdSubsystem::can_preserve(linux::File& file) { return from_file(file) != nullptr; }

// Old kernel.

Co<Result<>> IommufdSubsystem::preserve(luo::FileArgs& args) {
  const Result<PhysAddr> record = from_file(*args.file)->state_->preserve(*args.session);
  if (!record) {
    co_return fail(record.error());
  }
  args.serialized_data = record->value();
  state_->publish(linux::LedgerEvent::kPreserved, *record);
  co_return Result<>{};
}

Co<> IommufdSubsystem::unpreserve(luo::FileArgs& args) {
  state_->publish(linux::LedgerEvent::kUnpreserved, PhysAddr(args.serialized_data));
  from_file(*args.file)->state_->unpreserve();
  co_return;
}

// The token of the iommufd itself is known to LUO only after preserve().
Co<Result<>> IommufdSubsystem::freeze(luo::FileArgs& args) {
  Iommufd::State& state = *from_file(*args.file)->state_;
  if (!state_->restores()) {
    state.context.commit(ContextEvent::kFreeze);
    co_return Result<>{};
  }
  const Result<std::uint64_t> token = state_->luo.token_of(*args.session, *args.file);
  if (!token) {
    co_return fail(token.error());
  }
  if (!state.exporters_preserved()) {
    state_->services.print(sim::LogLevel::kWarning,
                           "iommufd: a BAR that is mapped is of a device that is not preserved");
    co_return fail(Errno::kInval);
  }
  state.context.commit(ContextEvent::kFreeze);
  state_->services.port().ram().store(state.preserved->contents, *token);
  co_return Result<>{};
}

void IommufdSubsystem::State::publish(linux::LedgerEvent event, PhysAddr record) {
  auto& ledger = services.port().simulation().topic<linux::LedgerEntry>();
  if (ledger.active()) {
    ledger.publish({services.generation(),
                    event,
                    linux::LedgerKind::kFile,
                    "iommufd",
                    {record, sim::kPageSize},
                    record.value()});
  }
}

Result<PhysAddr> IommufdSubsystem::State::write_block(std::span<const std::byte> bytes,
                                                      const char* owner, bool preserve) {
  const unsigned order = linux::order_of(bytes.size());
  if (order > linux::kMaxPageOrder) {
    return fail(Errno::kTooBig);
  }
  const Result<PhysAddr> block = services.pages().allocate(order, owner);
  if (!block) {
    return block;
  }
  if (preserve) {
    if (auto marked = kho.preserve_folio(*block, order); !marked) {
      services.pages().free(*block);
      return fail(marked.error());
    }
  }
  services.port().ram().write(*block, bytes);
  return block;
}

// Every area must be a sealed memfd that this session has preserved, or a BAR of a device that it
// preserves later (policy p2p: preserve-windows; checked at freeze).
Result<> Iommufd::State::check_ioas(luo::Session& session, const Ioas& space, Contents& contents) {
  constexpr std::uint32_t kSealsNeeded = luo::kSealSeal | luo::kSealShrink | luo::kSealGrow;
  contents.ioas.push_back({space.id, static_cast<std::uint32_t>(space.areas().size())});
  for (const auto& [iova, area] : space.areas()) {
    // One that was revoked is neither.
    if (area.device_memory && !area.pages.empty() && shared.restores()) {
      const Sbdf at = area.device_memory->exporter;
      const std::uint64_t exporter = at.segment | std::uint64_t{at.bdf.value()} << 32;
      contents.areas.push_back({area.iova, area.length, exporter, area.pages.front().start.value(),
                                area.prot.read, area.prot.write, area.device_memory->region});
      preserved->exporters.push_back(at);
      continue;
    }
    const bool sealed = (area.seals & kSealsNeeded) == kSealsNeeded ||
                        shared.services.has(Defect::kIommufdIgnoreSeals);
    if (area.memfd == nullptr || !sealed) {
      return fail(Errno::kInval);
    }
    const Result<std::uint64_t> token = shared.luo.token_of(session, *area.memfd);
    if (!token) {
      return fail(token.error());
    }
    contents.areas.push_back(
        {area.iova, area.length, *token, area.offset, area.prot.read, area.prot.write});
  }
  return {};
}

Result<> Iommufd::State::preserve_hwpts(luo::Session& session, Contents& contents,
                                        HwptRecords& records) {
  for (Hwpt* hwpt : marked_hwpts()) {
    const IoasState before = hwpt->ioas.state.value();
    hwpt->ioas.state.commit(IoasEvent::kPreserve);
    if (before == IoasState::kMutable) {
      preserved->made_immutable.push_back(&hwpt->ioas);
      if (auto checked = check_ioas(session, hwpt->ioas, contents); !checked) {
        return checked;
      }
    }
    const Result<PhysAddr> domain = shared.iommu.preserve_domain(*hwpt->domain);
    if (!domain) {
      return fail(domain.error());
    }
    hwpt->state.commit(HwptEvent::kPreserve);
    ++hwpt->users;
    records.push_back({*domain, hwpt->token});
    contents.hwpts.push_back({hwpt->id, hwpt->ioas.id, hwpt->automatic});
  }
  return {};
}

void Iommufd::State::undo_hwpts() {
  for (Hwpt* hwpt : marked_hwpts()) {
    if (hwpt->state.value() == HwptState::kPreserved) {
      shared.iommu.unpreserve_domain(*hwpt->domain);
      hwpt->state.commit(HwptEvent::kUnpreserve);
      --hwpt->users;
    }
  }
  const bool forgotten = shared.services.has(Defect::kIommufdKeepImmutable);
  for (Ioas* space : preserved->made_immutable) {
    if (!forgotten) space->state.commit(IoasEvent::kUnpreserve);
  }
}

Result<PhysAddr> Iommufd::State::preserve(luo::Session& session) {
  linux::KernelServices& services = shared.services;
  if (const auto may = context.check(ContextEvent::kPreserve); !may) {
    return fail(may.error());
  }
  for (const Hwpt* hwpt : marked_hwpts()) {
    if (hwpt->domain == nullptr) {
      return fail(Errno::kInval);
    }
  }
  // The record's place first, as upstream; it is filled when all HWPTs are preserved.
  preserved = Preserved{};
  preserved->record_marked = !services.has(Defect::kIommufdSkipRecord);
  const std::vector<std::byte> empty(record_bytes(marked_hwpts().size()));
  const auto record = shared.write_block(empty, "iommufd record", preserved->record_marked);
  if (!record) {
    preserved.reset();
    return record;
  }
  preserved->record = *record;
  Contents contents;
  HwptRecords records;
  Result<> done = preserve_hwpts(session, contents, records);
  if (done) {
    services.port().ram().write(*record, encode(records));
    if (shared.restores()) done = preserve_contents(contents);
  }
  if (!done) {
    undo_hwpts();
    free_records();
    return fail(done.error());
  }
  context.commit(ContextEvent::kPreserve);
  return *record;
}

Result<> Iommufd::State::preserve_contents(const Contents& contents) {
  const std::vector<std::byte> bytes = contents.encode();
  preserved->contents_marked = !shared.services.has(Defect::kIommufdSkipIoas);
  const auto block = shared.write_block(bytes, "iommufd contents", preserved->contents_marked);
  preserved->contents = block.value_or(PhysAddr{});
  preserved->slots = preserved->contents + device_slot_offset(contents, 0);
  const ContentsFlb::Entry entry{preserved->record.value(), preserved->contents.value(),
                                 bytes.size()};
  return block ? shared.flb.add(entry) : fail(block.error());
}

void Iommufd::State::free_records() {
  const auto drop = [&](PhysAddr block, bool marked) {
    if (block == PhysAddr{}) {
      return;
    }
    if (marked) {
      shared.kho.unpreserve_folio(block, shared.services.pages().page(block).order);
    }
    shared.services.pages().free(block);
  };
  drop(preserved->contents, preserved->contents_marked);
  drop(preserved->record, preserved->record_marked);
  preserved.reset();
}

void Iommufd::State::unpreserve() {
  context.commit(ContextEvent::kUnpreserve);
  if (shared.restores()) shared.flb.remove(preserved->record);
  undo_hwpts();
  free_records();
}

Result<> Iommufd::preserve_device(luo::Session& session, std::uint32_t device_id) {
  State& state = *state_;
  Device* device = state.device(device_id);
  if (device == nullptr) {
    return fail(Errno::kNoEnt);
  }
  if (auto may = device->attachment.check(AttachEvent::kPreserve); !may) {
    return may;
  }
  // Of a table of user space what it lies over is handed over; the table itself is guest memory,
  // and hardware goes on with both.
  const Hwpt& hwpt = device->hwpt->paging();
  if (!hwpt.is_marked()) {
    return fail(Errno::kInval);
  }
  const Result<std::uint64_t> token = state.shared.luo.token_of(session, *this);
  if (!token) {
    return fail(token.error());
  }
  linux::iommu::IommuCore& iommu = state.shared.iommu;
  if (auto done = iommu.preserve_device(*hwpt.domain, device->dev, *token); !done) {
    return done;
  }
  if (auto noted = state.note_device(*device); !noted) {
    iommu.unpreserve_device(device->dev);
    return noted;
  }
  device->attachment.commit(AttachEvent::kPreserve);
  return {};
}

void Iommufd::unpreserve_device(std::uint32_t device_id) {
  Device* device = state_->device(device_id);
  BATON_CHECK(device != nullptr, "unpreserve of no device");
  device->attachment.commit(AttachEvent::kUnpreserve);
  state_->shared.iommu.unpreserve_device(device->dev);
  state_->forget_device(device_id);
}

bool Iommufd::State::exporters_preserved() const {
  return std::ranges::all_of(preserved->exporters, [this](const Sbdf exporter) {
    return std::ranges::any_of(objects, [exporter](const auto& entry) {
      if (entry.second->type != ObjectType::kDevice) return false;
      const auto& device = static_cast<const Device&>(*entry.second);
      return device.is_preserved() && device.dev.address == exporter;
    });
  });
}

// Device slots of the contents.
Result<> Iommufd::State::note_device(const Device& device) {
  if (!shared.restores()) {
    return {};
  }
  sim::PhysicalMemory& ram = shared.services.port().ram();
  for (std::size_t slot = 0; slot < kDeviceSlots; ++slot) {
    const PhysAddr at = preserved->slots + slot * 16;
    if (ram.load<std::uint32_t>(at) == 0) {
      const Contents::BoundDevice entry{device.id, device.hwpt->paging().id, device.dev.address};
      ram.write(at, encode_device(entry));
      return {};
    }
  }
  return fail(Errno::kNoSpc);
}

void Iommufd::State::forget_device(std::uint32_t id) {
  if (!shared.restores()) {
    return;
  }
  sim::PhysicalMemory& ram = shared.services.port().ram();
  for (std::size_t slot = 0; slot < kDeviceSlots; ++slot) {
    const PhysAddr at = preserved->slots + slot * 16;
    if (ram.load<std::uint32_t>(at) == id) {
      const std::array<std::byte, 16> empty{};
      ram.write(at, empty);
    }
  }
}

}  // namespace baton::iommufd
