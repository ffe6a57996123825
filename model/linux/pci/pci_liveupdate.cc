#include "model/linux/pci/pci_liveupdate.h"

#include <algorithm>
#include <cstring>

#include "model/linux/base/observations.h"
#include "model/linux/pci/device_paths.h"

namespace baton::linux::pci {
namespace {

constexpr std::uint32_t kVersion = 2;
constexpr std::uint64_t kSerBytes = 16;

struct Record {
  std::uint32_t domain = 0;
  std::uint16_t bdf = 0;
  std::uint16_t refcount = 0;
};
static_assert(sizeof(Record) == 8);

bool is_for(const Record& record, Sbdf address) {
  return record.refcount > 0 && record.domain == address.segment &&
         record.bdf == address.bdf.value();
}

}  // namespace

class PciLiveUpdate::State {
 public:
  State(KernelServices& services, kho::Kho& kho, luo::Luo& luo, PciCore& core)
      : services_(services),
        kho_(kho),
        luo_(luo),
        shapes_(services, kho),
        paths_(services, kho, core),
        outgoing_blocks_(services, kho, sizeof(Record), "pci records"),
        incoming_blocks_(services, kho, sizeof(Record), "pci records") {}

  Record* outgoing(const PciDev& dev) {
    const auto found = std::ranges::find_if(
        outgoing_, [&](const Record& record) { return is_for(record, dev.address); });
    return found == outgoing_.end() ? nullptr : &*found;
  }
  Record* incoming(const PciDev& dev) {
    if (!dev.record_key) return nullptr;
    const bool lost = services_.has(Defect::kPciTruncateDomain);
    const auto found = std::ranges::find_if(incoming_, [&](const Record& record) {
      const std::uint32_t domain = lost ? record.domain : dev.record_key->segment;
      return is_for(record, {domain, dev.record_key->bdf});
    });
    return found == incoming_.end() ? nullptr : &*found;
  }
  // Under what address the records of the previous kernel know the function.
  std::optional<Sbdf> key_of(const PciDev& dev) const {
    const bool by_path = services_.config().policies.device_key == DeviceKeyPolicy::kDevicePath;
    return by_path && paths_.handed_over() ? paths_.key_of(dev) : std::optional(dev.address);
  }

  void write_record(const Record& record) {
    const auto index = static_cast<std::size_t>(&record - outgoing_.data());
    outgoing_blocks_.write_entry(index, std::as_bytes(std::span(&record, 1)));
    write_ser();
  }
  void write_ser() {
    sim::PhysicalMemory& ram = services_.port().ram();
    const auto live = static_cast<std::uint32_t>(
        std::ranges::count_if(outgoing_, [](const Record& record) { return record.refcount > 0; }));
    ram.store(ser_, kVersion);
    ram.store(ser_ + 4, live);
    ram.store(ser_ + 8, outgoing_blocks_.head().value());
  }

  void publish_record(LedgerEvent event, const PciDev& dev, const Record& record) {
    services_.port().simulation().topic<FunctionRecord>().publish(
        {services_.generation(), event, dev.address, {record.domain, Bdf(record.bdf)}});
  }
  Result<> get(PciDev& dev);
  void put(PciDev& dev);
  void publish(LedgerEvent event, const PciDev& dev);
  Co<> get_own(luo::Flb& flb);

  KernelServices& services_;
  kho::Kho& kho_;
  luo::Luo& luo_;
  FunctionShapes shapes_;
  DevicePaths paths_;

  PhysAddr ser_;
  bool ser_skipped_ = false;
  kho::BlockSet outgoing_blocks_;
  std::vector<Record> outgoing_;

  PhysAddr incoming_ser_;
  kho::BlockSet incoming_blocks_;
  std::vector<Record> incoming_;
  bool had_incoming_ = false;
};

// One record, or one more reference to it.
Result<> PciLiveUpdate::State::get(PciDev& dev) {
  if (Record* record = outgoing(dev)) {
    // An endpoint has one owner; a bridge counts what is preserved below it.
    if (!dev.is_bridge()) return fail(Errno::kBusy);
    if (dev.frozen) return fail(Errno::kInval);
    ++record->refcount;
    write_record(*record);
    return {};
  }
  if (dev.frozen) return fail(Errno::kInval);
  auto slot = std::ranges::find(outgoing_, 0, &Record::refcount);
  if (slot == outgoing_.end()) {
    if (const auto grown = outgoing_blocks_.grow(outgoing_.size() + 1); !grown) return grown;
    outgoing_.emplace_back();
    slot = outgoing_.end() - 1;
  }
  if (const auto added = shapes_.add(dev); !added) return added;
  if (const auto added = paths_.add(dev); !added) {
    shapes_.drop(dev);
    return added;
  }
  *slot = Record{dev.address.segment, dev.address.bdf.value(), 1};
  write_record(*slot);
  dev.outgoing = true;
  publish_record(LedgerEvent::kPreserved, dev, *slot);
  publish(LedgerEvent::kPreserved, dev);
  return {};
}

void PciLiveUpdate::State::put(PciDev& dev) {
  Record* record = outgoing(dev);
  if (record == nullptr) return;
  if (--record->refcount == 0) {
    publish_record(LedgerEvent::kUnpreserved, dev, *record);
    *record = Record{};
    dev.outgoing = false;
    shapes_.drop(dev);
    paths_.drop(dev);
    publish(LedgerEvent::kUnpreserved, dev);
  }
  write_record(*record);
}

// A function's share of what routes its requests: its BARs, and its bus number or that of the bus
// below it.
void PciLiveUpdate::State::publish(LedgerEvent event, const PciDev& dev) {
  const auto& topic = services_.port().simulation().topic<LedgerEntry>();
  if (!topic.active()) return;
  const std::uint64_t id = std::uint64_t{dev.address.segment} << 16 | dev.address.bdf.value();
  for (const Resource& resource : dev.resources) {
    if (resource.size == 0 || !resource.memory) continue;
    topic.publish({.generation = services_.generation(),
                   .event = event,
                   .kind = LedgerKind::kBar,
                   .what = "BAR",
                   .pages = {resource.start, resource.size},
                   .id = id});
  }
  topic.publish({.generation = services_.generation(),
                 .event = event,
                 .kind = LedgerKind::kBusNumber,
                 .what = dev.is_bridge() ? "bridge bus numbers" : "bus number",
                 .pages = {},
                 .id = id});
}

PciLiveUpdate::PciLiveUpdate(KernelServices& services, kho::Kho& kho, luo::Luo& luo, PciCore& core)
    : state_(std::make_unique<State>(services, kho, luo, core)) {
  core.set_live_update(this);
}

PciLiveUpdate::~PciLiveUpdate() = default;

Result<> PciLiveUpdate::register_flbs(luo::FileHandler& handler) {
  if (const auto own = state_->luo_.register_flb(handler, *this); !own) return own;
  const bool by_path =
      state_->services_.config().policies.device_key == DeviceKeyPolicy::kDevicePath;
  if (by_path || state_->paths_.handed_over()) {
    if (const auto paths = state_->luo_.register_flb(handler, state_->paths_); !paths) return paths;
  }
  return state_->luo_.register_flb(handler, state_->shapes_);
}

// A VF's address follows from its physical function, whose SR-IOV does not outlive enumeration
// [posted pci v9; policy sriov: refuse].
Result<> PciLiveUpdate::preserve(PciDev& dev) {
  if (dev.is_virtual()) return fail(Errno::kInval);
  if (const auto flb = state_->luo_.get_outgoing(*this); !flb) return flb;
  if (const auto own = state_->get(dev); !own) return own;
  for (PciDev* bridge = dev.upstream_bridge(); bridge != nullptr;
       bridge = bridge->upstream_bridge()) {
    const auto got = state_->get(*bridge);
    if (got) continue;
    for (PciDev* undo = &dev; undo != bridge; undo = undo->upstream_bridge()) state_->put(*undo);
    return got;
  }
  return {};
}

void PciLiveUpdate::unpreserve(PciDev& dev) {
  if (dev.frozen || !is_outgoing(dev)) {
    state_->services_.print(sim::LogLevel::kWarning, "pci {}: unpreserve of a {} device",
                            to_string(dev.address), dev.frozen ? "frozen" : "not preserved");
    return;
  }
  for (PciDev* each = &dev; each != nullptr; each = each->upstream_bridge()) state_->put(*each);
}

void PciLiveUpdate::finish_device(PciDev& dev) {
  for (PciDev* each = &dev; each != nullptr; each = each->upstream_bridge()) {
    Record* record = each->incoming ? state_->incoming(*each) : nullptr;
    if (record == nullptr || --record->refcount > 0) continue;
    each->incoming = false;
    state_->publish_record(LedgerEvent::kFinished, *each, *record);
    state_->publish(LedgerEvent::kFinished, *each);
  }
}

Co<> PciLiveUpdate::begin_enumeration() {
  const auto got = co_await state_->luo_.get_incoming(*this);
  if (!got) {
    if (got.error() == Errno::kNoData || got.error() == Errno::kNoEnt ||
        got.error() == Errno::kOpNotSupp) {  // LUO is off
      co_return;
    }
    state_->services_.panic(fmt::format(
        "PCI: failed to restore the records of preserved devices: {}", name(got.error())));
  }
  co_await state_->get_own(state_->shapes_);
  co_await state_->get_own(state_->paths_);
  if (state_->services_.config().policies.device_key == DeviceKeyPolicy::kDevicePath &&
      !state_->paths_.handed_over()) {
    state_->services_.print(sim::LogLevel::kWarning,
                            "PCI: no device paths were handed over, addresses are the keys");
  }
  // LUO's own reference, one for each file, keeps both alive until the last finish.
  co_await state_->luo_.put_incoming(*this);
}

// One that the previous kernel need not have had.
Co<> PciLiveUpdate::State::get_own(luo::Flb& flb) {
  const auto got = co_await luo_.get_incoming(flb);
  if (got) {
    co_await luo_.put_incoming(flb);
  } else if (got.error() != Errno::kNoData && got.error() != Errno::kNoEnt) {
    services_.panic(
        fmt::format("PCI: failed to restore {}: {}", flb.compatible(), name(got.error())));
  }
}

bool PciLiveUpdate::inherit_bus_numbers() const { return state_->had_incoming_; }

void PciLiveUpdate::setup_device(PciDev& dev) {
  dev.record_key = state_->key_of(dev);
  dev.record_key_known = true;
  const Record* record = state_->incoming(dev);
  if (record == nullptr) return;
  dev.incoming = true;
  dev.was_incoming = true;
  state_->publish_record(LedgerEvent::kRestored, dev, *record);
  state_->publish(LedgerEvent::kRestored, dev);
}

const FunctionShape* PciLiveUpdate::shape_of(const PciDev& dev) const {
  return dev.record_key ? state_->shapes_.find(*dev.record_key) : nullptr;
}

void PciLiveUpdate::freeze(PciDev& dev) { dev.frozen = true; }

bool PciLiveUpdate::is_outgoing(const PciDev& dev) const {
  return state_->outgoing(dev) != nullptr;
}

std::string_view PciLiveUpdate::compatible() const { return "pci"; }

Co<Result<std::uint64_t>> PciLiveUpdate::preserve() {
  const auto ser = state_->kho_.alloc_preserve(kSerBytes, "pci_ser");
  if (!ser) co_return fail(ser.error());
  state_->ser_ = *ser;
  state_->ser_skipped_ = state_->services_.has(Defect::kPciSkipRecords);
  if (state_->ser_skipped_) state_->kho_.unpreserve_folio(*ser, 0);
  state_->write_ser();
  co_return ser->value();
}

Co<> PciLiveUpdate::unpreserve(std::uint64_t) {
  if (std::ranges::any_of(state_->outgoing_, [](const Record& r) { return r.refcount > 0; })) {
    state_->services_.print(sim::LogLevel::kWarning, "PCI: records remain at unpreserve");
  }
  state_->outgoing_blocks_.destroy();
  state_->outgoing_.clear();
  if (state_->ser_skipped_) {
    state_->services_.pages().free(state_->ser_);
  } else {
    state_->kho_.unpreserve_free(state_->ser_);
  }
  state_->ser_ = PhysAddr();
  co_return;
}

Co<Result<>> PciLiveUpdate::retrieve(std::uint64_t data) {
  sim::PhysicalMemory& ram = state_->services_.port().ram();
  const PhysAddr ser(data);
  if (ser.page_offset() != 0 || !ram.contains(ser, sim::kPageSize)) co_return fail(Errno::kInval);
  const auto version = ram.load<std::uint32_t>(ser);
  if (version != kVersion) {
    state_->services_.panic(fmt::format("PCI: live update records of version {}", version));
  }
  const PhysAddr head(ram.load<std::uint64_t>(ser + 8));
  const auto restored = state_->incoming_blocks_.restore(head);
  if (!restored) co_return restored;
  state_->incoming_ser_ = ser;
  for (const auto& bytes : state_->incoming_blocks_.entries()) {
    Record record;
    std::memcpy(&record, bytes.data(), sizeof record);
    if (record.refcount == 0) continue;
    state_->incoming_.push_back(record);
    state_->had_incoming_ = true;
  }
  co_return Result<>();
}

Co<> PciLiveUpdate::finish() {
  std::string left;
  for (const Record& record : state_->incoming_) {
    if (record.refcount == 0) continue;
    const Sbdf address{record.domain, Bdf(record.bdf)};
    left += fmt::format("{}{} ({})", left.empty() ? "" : ", ", to_string(address), record.refcount);
  }
  if (!left.empty()) {
    state_->services_.panic(fmt::format("PCI: preserved devices were not finished: {}", left));
  }
  state_->incoming_.clear();
  state_->incoming_blocks_.destroy();
  if (state_->incoming_ser_.value() != 0) state_->kho_.restore_free(state_->incoming_ser_);
  state_->incoming_ser_ = PhysAddr();
  co_return;
}

}  // namespace baton::linux::pci
