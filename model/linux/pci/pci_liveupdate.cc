#include "model/linux/pci/pci_liveupdate.h"

#include <algorithm>

#include "model/kho/record_table.h"
#include "model/linux/base/observations.h"
#include "model/linux/pci/device_paths.h"
#include "model/linux/pci/driver_records.h"

namespace baton::linux::pci {
namespace {

constexpr std::uint32_t kVersion = 2;

struct Record {
  std::uint32_t domain = 0;
  std::uint16_t bdf = 0;
  std::uint16_t refcount = 0;

  bool in_use() const { return refcount > 0; }
};
static_assert(sizeof(Record) == 8);

bool is_for(const Record& record, Sbdf address) {
  return record.domain == address.segment && record.bdf == address.bdf.value();
}

// Who has the records of all that is preserved below it, one reference for each: a bridge, and the
// physical function of a virtual one.
PciDev* holder_of(const PciDev& dev) {
  return dev.is_virtual() ? dev.physical : dev.upstream_bridge();
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
        drivers_(services, kho),
        table_(services, kho, kVersion, "pci_ser", "pci records") {}

  const Record* outgoing(const PciDev& dev) const {
    return table_.find_if([&](const Record& record) { return is_for(record, dev.address); });
  }
  Record* incoming(const PciDev& dev) {
    if (!dev.record_key) return nullptr;
    const bool lost = services_.has(Defect::kPciTruncateDomain);
    const auto found = std::ranges::find_if(incoming_, [&](const Record& record) {
      const std::uint32_t domain = lost ? record.domain : dev.record_key->segment;
      return record.in_use() && is_for(record, {domain, dev.record_key->bdf});
    });
    return found == incoming_.end() ? nullptr : &*found;
  }
  // Under what address the records of the previous kernel know the function.
  std::optional<Sbdf> key_of(const PciDev& dev) const {
    const bool by_path = services_.config().policies.device_key == DeviceKeyPolicy::kDevicePath;
    return by_path && paths_.handed_over() ? paths_.key_of(dev) : std::optional(dev.address);
  }

  // The folio of shapes is of the design target, in which functions run through the jump.
  bool hands_shapes_over() const {
    return services_.config().pieces.vfio == VfioLiveUpdate::kRunning;
  }
  // Policy restore_failure: panic [posted pci v7 to v9], or a warning, and nothing is known of
  // functions that may be at work [posted pci v4 to v6].
  void lost(std::string reason) {
    if (services_.config().policies.restore_failure == RestoreFailure::kPanic) {
      services_.panic(std::move(reason));
    }
    services_.print(sim::LogLevel::kWarning, "{}; devices may still be at work", reason);
  }

  void publish_record(LedgerEvent event, const PciDev& dev, const Record& record) {
    services_.port().simulation().topic<FunctionRecord>().publish(
        {services_.generation(), event, dev.address, {record.domain, Bdf(record.bdf)}});
  }
  Result<> get(PciDev& dev, OutgoingEvent event);
  Result<> add(PciDev& dev);
  void put(PciDev& dev);
  void publish(LedgerEvent event, const PciDev& dev);
  Co<> get_own(luo::Flb& flb);

  KernelServices& services_;
  kho::Kho& kho_;
  luo::Luo& luo_;
  FunctionShapes shapes_;
  DevicePaths paths_;
  DriverRecords drivers_;

  kho::RecordTable<Record> table_;
  bool page_skipped_ = false;

  std::vector<Record> incoming_;
  bool had_incoming_ = false;
};

// One record, or one more reference to it.
Result<> PciLiveUpdate::State::get(PciDev& dev, OutgoingEvent event) {
  if (const auto may = dev.to_next.check(event); !may) return may;
  const Record* record = outgoing(dev);
  if (record == nullptr) {
    const auto added = add(dev);
    if (added) dev.to_next.commit(event);
    return added;
  }
  // What is preserved for itself has one owner; a bridge and a physical function count what is
  // preserved below them.
  if (!dev.is_bridge() && dev.num_vfs == 0) return fail(Errno::kBusy);
  dev.to_next.commit(event);
  Record more = *record;
  ++more.refcount;
  table_.write(table_.index_of(*record), more);
  return {};
}

Result<> PciLiveUpdate::State::add(PciDev& dev) {
  const auto place = table_.reserve();
  if (!place) return fail(place.error());
  if (hands_shapes_over()) {
    if (const auto shape = shapes_.add(dev); !shape) return shape;
  }
  auto added = paths_.add(dev);
  if (added) added = drivers_.add(dev);
  if (!added) {
    paths_.drop(dev);
    if (hands_shapes_over()) shapes_.drop(dev);
    return added;
  }
  const Record record{dev.address.segment, dev.address.bdf.value(), 1};
  table_.write(*place, record);
  publish_record(LedgerEvent::kPreserved, dev, record);
  publish(LedgerEvent::kPreserved, dev);
  return {};
}

void PciLiveUpdate::State::put(PciDev& dev) {
  const Record* found = outgoing(dev);
  if (found == nullptr) return;
  Record record = *found;
  if (--record.refcount == 0) {
    publish_record(LedgerEvent::kUnpreserved, dev, record);
    record = Record{};
    dev.to_next.commit(OutgoingEvent::kLastReference);
    if (hands_shapes_over()) shapes_.drop(dev);
    paths_.drop(dev);
    drivers_.drop(dev);
    publish(LedgerEvent::kUnpreserved, dev);
  }
  table_.write(table_.index_of(*found), record);
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
  const bool with_drivers = DriverRecords::wanted_by(state_->services_.config().policies);
  if (with_drivers || state_->drivers_.handed_over()) {
    if (const auto own = state_->luo_.register_flb(handler, state_->drivers_); !own) return own;
  }
  return state_->hands_shapes_over() ? state_->luo_.register_flb(handler, state_->shapes_)
                                     : Result<>();
}

// A VF's address follows from its physical function, whose SR-IOV does not outlive enumeration
// [posted pci v9]; with policy sriov: adopt it does, and the physical function is preserved with
// it.
Result<> PciLiveUpdate::preserve(PciDev& dev) {
  const bool adopts = state_->services_.config().policies.sriov == SriovPolicy::kAdopt;
  if (dev.is_virtual() && !adopts) return fail(Errno::kInval);
  if (const auto flb = state_->luo_.get_outgoing(*this); !flb) return flb;
  if (const auto own = state_->get(dev, OutgoingEvent::kPreserve); !own) return own;
  for (PciDev* holder = holder_of(dev); holder != nullptr; holder = holder_of(*holder)) {
    const auto got = state_->get(*holder, OutgoingEvent::kPreserveBelow);
    if (got) continue;
    for (PciDev* undo = &dev; undo != holder; undo = holder_of(*undo)) state_->put(*undo);
    return got;
  }
  return {};
}

void PciLiveUpdate::unpreserve(PciDev& dev) {
  if (!dev.to_next.apply(OutgoingEvent::kUnpreserve)) {
    state_->services_.print(sim::LogLevel::kWarning, "pci {}: unpreserve of a {} device",
                            to_string(dev.address), dev.frozen() ? "frozen" : "not preserved");
    return;
  }
  for (PciDev* each = &dev; each != nullptr; each = holder_of(*each)) state_->put(*each);
}

void PciLiveUpdate::finish_device(PciDev& dev) {
  for (PciDev* each = &dev; each != nullptr; each = holder_of(*each)) {
    each->from_previous.commit(IncomingEvent::kFinish);
    Record* record = each->incoming() ? state_->incoming(*each) : nullptr;
    if (record == nullptr || --record->refcount > 0) continue;
    each->from_previous.commit(IncomingEvent::kLastReference);
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
    state_->lost(fmt::format("PCI: failed to restore the records of preserved devices: {}",
                             name(got.error())));
    co_return;
  }
  if (state_->hands_shapes_over()) co_await state_->get_own(state_->shapes_);
  co_await state_->get_own(state_->paths_);
  co_await state_->get_own(state_->drivers_);
  if (state_->services_.config().policies.device_key == DeviceKeyPolicy::kDevicePath &&
      !state_->paths_.handed_over()) {
    state_->services_.print(sim::LogLevel::kWarning,
                            "PCI: no device paths were handed over, addresses are the keys");
  }
  if (DriverRecords::wanted_by(state_->services_.config().policies) &&
      !state_->drivers_.handed_over()) {
    state_->services_.print(sim::LogLevel::kWarning,
                            "PCI: nobody said which drivers had what was handed over, user space "
                            "gives them one");
  }
  // LUO's own reference, one for each file, keeps all of them alive until the last finish.
  co_await state_->luo_.put_incoming(*this);
}

// One that the previous kernel need not have had.
Co<> PciLiveUpdate::State::get_own(luo::Flb& flb) {
  const auto got = co_await luo_.get_incoming(flb);
  if (got) {
    co_await luo_.put_incoming(flb);
  } else if (got.error() != Errno::kNoData && got.error() != Errno::kNoEnt) {
    lost(fmt::format("PCI: failed to restore {}: {}", flb.compatible(), name(got.error())));
  }
}

bool PciLiveUpdate::inherit_bus_numbers() const { return state_->had_incoming_; }

bool PciLiveUpdate::has_incoming() const {
  return std::ranges::any_of(state_->incoming_, &Record::in_use);
}

void PciLiveUpdate::setup_device(PciDev& dev) {
  dev.record_key = state_->key_of(dev);
  dev.record_key_known = true;
  if (state_->outgoing(dev) != nullptr) dev.to_next.commit(OutgoingEvent::kFound);
  const Record* record = state_->incoming(dev);
  if (record == nullptr) return;
  dev.from_previous.commit(IncomingEvent::kFound);
  state_->drivers_.tell(dev);
  state_->publish_record(LedgerEvent::kRestored, dev, *record);
  state_->publish(LedgerEvent::kRestored, dev);
}

const FunctionShape* PciLiveUpdate::shape_of(const PciDev& dev) const {
  return dev.record_key ? state_->shapes_.find(*dev.record_key) : nullptr;
}

const FunctionShape* PciLiveUpdate::virtual_shape_of(const PciDev& dev) const {
  return dev.record_key ? state_->shapes_.find_virtual(*dev.record_key) : nullptr;
}

// A warning, no more [posted pci v9; v4 to v6 undid the preservation].
void PciLiveUpdate::cleanup_device(const PciDev& dev) {
  if (!is_outgoing(dev) && !dev.incoming()) return;
  state_->services_.print(sim::LogLevel::kWarning, "pci {}: removed while it is {}",
                          to_string(dev.address), dev.incoming() ? "incoming" : "outgoing");
}

void PciLiveUpdate::freeze(PciDev& dev) { dev.to_next.commit(OutgoingEvent::kShutdown); }

bool PciLiveUpdate::is_outgoing(const PciDev& dev) const {
  return state_->outgoing(dev) != nullptr;
}

std::string_view PciLiveUpdate::compatible() const { return "pci"; }

Co<Result<std::uint64_t>> PciLiveUpdate::preserve() {
  const auto page = state_->table_.create();
  if (!page) co_return fail(page.error());
  state_->page_skipped_ = state_->services_.has(Defect::kPciSkipRecords);
  if (state_->page_skipped_) state_->kho_.unpreserve_folio(*page, 0);
  co_return page->value();
}

Co<> PciLiveUpdate::unpreserve(std::uint64_t) {
  if (state_->table_.find_if([](const Record&) { return true; }) != nullptr) {
    state_->services_.print(sim::LogLevel::kWarning, "PCI: records remain at unpreserve");
  }
  const PhysAddr page = state_->table_.page();
  state_->table_.destroy(!state_->page_skipped_);
  if (state_->page_skipped_) state_->services_.pages().free(page);
  co_return;
}

Co<Result<>> PciLiveUpdate::retrieve(std::uint64_t data) {
  const auto version = state_->table_.version_at(PhysAddr(data));
  if (!version) co_return fail(version.error());
  if (*version != kVersion) {
    state_->lost(fmt::format("PCI: live update records of version {}", *version));
    co_return fail(Errno::kInval);
  }
  auto records = state_->table_.restore(PhysAddr(data));
  if (!records) co_return fail(records.error());
  state_->incoming_ = *std::move(records);
  state_->had_incoming_ = !state_->incoming_.empty();
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
  state_->table_.free_restored();
  co_return;
}

}  // namespace baton::linux::pci
