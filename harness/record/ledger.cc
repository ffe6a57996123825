#include "harness/record/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace baton::harness {
namespace {

using linux::LedgerEvent;
using linux::LedgerKind;

// What the next kernel reads and never frees [linux v7.2 kernel/liveupdate/kexec_handover.c,
// luo_flb.c].
constexpr std::array<std::string_view, 3> kNeverGivenBack{"kho root fdt", "kexec-metadata",
                                                          "luo flb page"};

Deed deed_of(LedgerEvent event) {
  switch (event) {
    case LedgerEvent::kCreated:
      return Deed::kCreated;
    case LedgerEvent::kPreserved:
      return Deed::kPreserved;
    case LedgerEvent::kUnpreserved:
      return Deed::kUnpreserved;
    case LedgerEvent::kRestored:
      return Deed::kRestored;
    case LedgerEvent::kFinished:
      return Deed::kFinished;
  }
  return Deed::kCreated;
}

std::string_view kind_name(LedgerKind kind) {
  constexpr std::array<std::string_view, 7> kNames{"pages", "table",      "domain", "vector",
                                                   "BAR",   "bus number", "file"};
  return kNames.at(static_cast<std::size_t>(kind));
}

std::string id_text(const linux::LedgerEntry& seen) {
  switch (seen.kind) {
    case LedgerKind::kBar:
    case LedgerKind::kBusNumber:
      return to_string(Sbdf{static_cast<std::uint32_t>(seen.id >> 16),
                            Bdf(static_cast<std::uint16_t>(seen.id & 0xFFFF))});
    case LedgerKind::kDomain:
      // Small numbers are ids of the unit; the others are addresses of records.
      return seen.id <= 0xFFFF ? fmt::format("id {}", seen.id)
                               : fmt::format("record {:#x}", seen.id);
    default:
      return fmt::format("{:#x}", seen.id);
  }
}

// What a change of state of a session or of a file means for its row; nothing for a step inside.
std::optional<Deed> deed_of_state(std::string_view state) {
  if (state == "outgoing") return Deed::kCreated;
  if (state == "preserved" || state == "serialized") return Deed::kPreserved;
  if (state == "retrieved") return Deed::kRestored;
  if (state == "finished") return Deed::kFinished;
  if (state == "abandoned") return Deed::kUnpreserved;
  return std::nullopt;
}

// Devices whose mapping leads into each run; runs are few, mappings are merged.
void mark_reached(Watch& watch, std::vector<LedgerRow>& rows) {
  for (const WatchedDevice& device : watch.devices()) {
    const Mapping mapping = walk_mapping(watch.machine(), *device.function);
    PageSet reached;
    for (const MappedRun& run : mapping.runs) reached.add({run.to, run.length});
    for (const sim::PhysRange& table : mapping.tables) reached.add(table);
    for (LedgerRow& row : rows) {
      if (row.pages.length == 0 || (row.kind != "pages" && row.kind != "table")) continue;
      if (reached.within(row.pages).empty()) continue;
      row.reached_by.push_back(device.function->name());
    }
  }
}

}  // namespace

std::string_view name(Fate fate) {
  constexpr std::array<std::string_view, 11> kNames{
      "in use", "preserved", "waiting", "restored", "finished", "unpreserved",
      "freed",  "LEAKED",    "kept",    "REUSED",   "ended"};
  return kNames.at(static_cast<std::size_t>(fate));
}

void Ledger::attach(Watch& watch, const Scenario& /*scenario*/) {
  watch_ = &watch;
  sim::Simulation& simulation = watch.simulation();
  simulation.topic<linux::LedgerEntry>().subscribe([this](const auto& o) { on_entry(o); });
  simulation.topic<linux::MemoryReleased>().subscribe([this](const auto& o) { on_released(o); });
  simulation.topic<linux::PagesAllocated>().subscribe([this](const linux::PagesAllocated& seen) {
    pages_.given(seen.range, seen.generation, watch_->now());
  });
  simulation.topic<linux::PagesFreed>().subscribe([this](const linux::PagesFreed& seen) {
    pages_.freed(seen.range, seen.generation, watch_->now());
  });
  simulation.topic<linux::SessionChanged>().subscribe([this](const auto& o) { on_session(o); });
  simulation.topic<linux::SessionFileChanged>().subscribe([this](const auto& o) { on_file(o); });
  simulation.topic<host::ColdRebooted>().subscribe([this](const host::ColdRebooted& seen) {
    generation_ = seen.to_generation;
    pages_.reset(seen.from_generation, watch_->now());
    objects_.clear();
  });
  simulation.topic<host::KernelJumped>().subscribe(
      [this](const host::KernelJumped& seen) { generation_ = seen.to_generation; });
}

void Ledger::on_entry(const linux::LedgerEntry& seen) {
  // Files have their rows from their sessions.
  if (seen.kind == LedgerKind::kFile) return;
  if (seen.kind != LedgerKind::kPages && seen.kind != LedgerKind::kTable) {
    const std::uint64_t start = seen.pages.start.value();
    step({std::string(kind_name(seen.kind)), seen.what, id_text(seen), start}, seen.pages,
         deed_of(seen.event), seen.generation);
    return;
  }
  if (seen.pages.length == 0) return;
  if (seen.kind == LedgerKind::kTable) tables_.insert(seen.what);
  if (seen.event == LedgerEvent::kCreated) {
    // Ids of tables are their addresses; those of folios name their file.
    const bool file = std::string_view(seen.what).starts_with("memfd");
    pages_.create(seen.pages, seen.what, file ? seen.id : 0, seen.generation, watch_->now());
  } else {
    pages_.happens(seen.pages, deed_of(seen.event), seen.what, seen.generation, watch_->now());
  }
}

// Every page outside of what was kept belongs to the page allocator now.
void Ledger::on_released(const linux::MemoryReleased& seen) {
  PageSet kept;
  for (const sim::PhysRange& range : seen.kept) kept.add(range);
  std::uint64_t from = 0;
  for (const sim::PhysRange& range : kept.runs()) {
    if (range.start.value() > from) {
      pages_.given({PhysAddr(from), range.start.value() - from}, seen.generation, watch_->now());
    }
    from = range.end().value();
  }
  const std::uint64_t size = watch_->machine().memory().size();
  if (size > from) pages_.given({PhysAddr(from), size - from}, seen.generation, watch_->now());
}

void Ledger::on_session(const linux::SessionChanged& seen) {
  const auto deed = deed_of_state(seen.state);
  if (deed) step({"session", "session", std::string(seen.session), 0}, {}, *deed, seen.generation);
}

void Ledger::on_file(const linux::SessionFileChanged& seen) {
  const auto deed = deed_of_state(seen.state);
  if (!deed) return;
  step({"file", std::string(seen.compatible),
        fmt::format("session {} token {}", seen.session, seen.token), 0},
       {}, *deed, seen.generation);
}

void Ledger::step(Key key, sim::PhysRange pages, Deed deed, unsigned generation) {
  Object& object = objects_[std::move(key)];
  object.pages = pages;
  if (!object.steps.empty()) {
    LedgerStep& last = object.steps.back();
    if (last.deed == deed && last.generation == generation) {
      last.to = watch_->now();
      return;
    }
  }
  object.steps.push_back({deed, generation, watch_->now(), watch_->now()});
}

Fate Ledger::fate_of(std::string_view what, const std::vector<LedgerStep>& steps) const {
  const LedgerStep& last = steps.back();
  const bool earlier = last.generation < generation_;
  const Fate never_restored = std::ranges::find(kNeverGivenBack, what) != kNeverGivenBack.end()
                                  ? Fate::kKept
                                  : Fate::kLeaked;
  switch (last.deed) {
    case Deed::kCreated:
      return earlier ? Fate::kEnded : Fate::kInUse;
    case Deed::kPreserved:
      if (!earlier) return Fate::kPreserved;
      return watch_->handover() && last.generation + 1 == generation_ ? Fate::kWaiting
                                                                      : never_restored;
    case Deed::kUnpreserved:
      return earlier ? Fate::kEnded : Fate::kUnpreserved;
    case Deed::kRestored:
      return earlier ? Fate::kEnded : Fate::kRestored;
    case Deed::kFinished:
      return Fate::kFinished;
    case Deed::kFreed:
      return Fate::kFreed;
    case Deed::kGivenAway:
      return Fate::kReused;
    case Deed::kOverwritten:
      break;
  }
  // Preserved for a kernel that did not restore it, not lost together with its own kernel.
  const LedgerStep* before = steps.size() > 1 ? &steps[steps.size() - 2] : nullptr;
  const bool was_preserved =
      before != nullptr && before->deed == Deed::kPreserved && before->generation < last.generation;
  return was_preserved ? never_restored : Fate::kEnded;
}

void Ledger::add_pages(std::vector<LedgerRow>& rows) const {
  for (const PageLives::Run& run : pages_.runs()) {
    LedgerRow row;
    row.what = pages_.what(run.node);
    row.kind = tables_.contains(row.what) ? "table" : "pages";
    if (const std::uint64_t id = pages_.id(run.node); id != 0) row.id = fmt::format("inode {}", id);
    row.pages = run.pages;
    row.steps = pages_.steps(run.node);
    row.fate = fate_of(row.what, row.steps);
    rows.push_back(std::move(row));
  }
}

std::vector<LedgerRow> Ledger::rows() const {
  if (watch_ == nullptr) return at_end_;
  std::vector<LedgerRow> rows;
  for (const auto& [key, object] : objects_) {
    LedgerRow row;
    row.kind = key.kind;
    row.what = key.what;
    row.id = key.id;
    row.pages = object.pages;
    row.steps = object.steps;
    row.fate = fate_of(row.what, row.steps);
    rows.push_back(std::move(row));
  }
  add_pages(rows);
  mark_reached(*watch_, rows);
  return rows;
}

void Ledger::finish() {
  at_end_ = rows();
  watch_ = nullptr;
}

}  // namespace baton::harness
