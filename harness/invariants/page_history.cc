#include "harness/invariants/page_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace baton::harness {
namespace {

std::uint64_t end_page(sim::PhysRange range) {
  return (range.start.value() + range.length) / sim::kPageSize;
}

std::string_view verb(linux::LedgerEvent event) {
  switch (event) {
    case linux::LedgerEvent::kCreated:
      return "creates";
    case linux::LedgerEvent::kPreserved:
      return "preserves";
    case linux::LedgerEvent::kUnpreserved:
      return "unpreserves";
    case linux::LedgerEvent::kRestored:
      return "restores";
    case linux::LedgerEvent::kFinished:
      return "finishes";
  }
  return "?";
}

std::string_view state_after(linux::LedgerEvent event) {
  switch (event) {
    case linux::LedgerEvent::kCreated:
      return "created";
    case linux::LedgerEvent::kPreserved:
      return "preserved";
    case linux::LedgerEvent::kUnpreserved:
      return "no longer preserved";
    case linux::LedgerEvent::kRestored:
      return "restored";
    case linux::LedgerEvent::kFinished:
      return "finished";
  }
  return "?";
}

}  // namespace

// What the kernels call the memory of a memfd.
constexpr std::string_view kGuestMemory = "memfd folio";

PageHistory::PageHistory(sim::Simulation& simulation) : simulation_(simulation) {
  simulation.topic<linux::PagesAllocated>().subscribe([this](const auto& o) { on_allocated(o); });
  simulation.topic<linux::PagesFreed>().subscribe([this](const auto& o) { on_freed(o); });
  simulation.topic<linux::MemoryReleased>().subscribe([this](const auto& o) { on_released(o); });
  simulation.topic<linux::LedgerEntry>().subscribe([this](const auto& o) { on_ledger(o); });
  simulation.topic<host::KernelJumped>().subscribe([this](const auto& o) { on_jump(o); });
  simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) { on_cold_reboot(); });
}

void PageHistory::cut(sim::PhysRange range) {
  const std::uint64_t first = range.start.page_number();
  const std::uint64_t end = end_page(range);
  auto at = spans_.upper_bound(first);
  if (at != spans_.begin() && std::prev(at)->second.end > first) --at;
  while (at != spans_.end() && at->first < end) {
    const std::uint64_t span_first = at->first;
    const Span span = at->second;
    at = spans_.erase(at);
    if (span_first < first) {
      Span left = span;
      left.end = first;
      spans_.emplace(span_first, left);
    }
    if (span.end > end) at = spans_.emplace(end, span).first;
  }
}

void PageHistory::on_allocated(const linux::PagesAllocated& seen) {
  cut(seen.range);
  const std::uint64_t first = seen.range.start.page_number();
  const Span span{end_page(seen.range), seen.owner, seen.generation, simulation_.now(), event()};
  // Neighbours that one owner took at one instant are one span.
  const auto after = spans_.lower_bound(first);
  if (after != spans_.begin()) {
    Span& before = std::prev(after)->second;
    if (before.end == first && before.owner == span.owner && before.since == span.since) {
      before.end = span.end;
      return;
    }
  }
  spans_.emplace_hint(after, first, span);
}

void PageHistory::on_freed(const linux::PagesFreed& seen) { cut(seen.range); }

// Every page outside of what was kept is free now, whoever had it.
void PageHistory::on_released(const linux::MemoryReleased& seen) {
  PageSet kept;
  for (const sim::PhysRange& range : seen.kept) kept.add(range);
  std::uint64_t from = 0;
  for (const sim::PhysRange& range : kept.runs()) {
    cut({PhysAddr(from), range.start.value() - from});
    from = range.end().value();
  }
  if (!spans_.empty()) {
    const std::uint64_t last = spans_.rbegin()->second.end * sim::kPageSize;
    if (last > from) cut({PhysAddr(from), last - from});
  }
  releases_.push_back({simulation_.now(), seen.generation, std::move(kept), event()});
}

void PageHistory::on_ledger(const linux::LedgerEntry& seen) {
  // Addresses of device memory are no pages of RAM.
  const bool memory =
      seen.kind == linux::LedgerKind::kPages || seen.kind == linux::LedgerKind::kTable;
  if (!memory || seen.pages.length == 0) return;
  if (seen.event == linux::LedgerEvent::kCreated && seen.what == kGuestMemory) on_folio(seen);
  if (seen.event == linux::LedgerEvent::kPreserved) preserved_.add(seen.pages);
  if (seen.event == linux::LedgerEvent::kUnpreserved) preserved_.remove(seen.pages);
  if (!records_.empty()) {
    Record& last = records_.back();
    if (last.time == simulation_.now() && last.event == seen.event &&
        last.generation == seen.generation && std::strcmp(last.what, seen.what) == 0 &&
        last.pages.end() == seen.pages.start) {
      last.pages.length += seen.pages.length;
      return;
    }
  }
  records_.push_back(
      {simulation_.now(), seen.generation, seen.event, seen.what, seen.pages, event()});
}

// Folios come one by one; neighbours of one file are one entry. A page that was another file's
// before belongs to the new one.
void PageHistory::on_folio(const linux::LedgerEntry& seen) {
  const std::uint64_t first = seen.pages.start.page_number();
  const std::uint64_t end = end_page(seen.pages);
  const MadeFor file{seen.generation, seen.id};
  auto at = folios_.upper_bound(first);
  if (at != folios_.begin()) --at;
  while (at != folios_.end() && at->first < end) {
    const auto [old_first, old] = *at;
    if (old.end <= first) {
      ++at;
      continue;
    }
    at = folios_.erase(at);
    if (old_first < first) folios_.emplace(old_first, Folios{first, old.file});
    if (old.end > end) at = folios_.emplace(end, Folios{old.end, old.file}).first;
  }
  if (at != folios_.begin()) {
    Folios& before = std::prev(at)->second;
    if (before.end == first && before.file == file) {
      before.end = end;
      return;
    }
  }
  folios_.emplace(first, Folios{end, file});
}

std::optional<PageHistory::MadeFor> PageHistory::made_for(PhysAddr page) const {
  const auto after = folios_.upper_bound(page.page_number());
  if (after == folios_.begin()) return std::nullopt;
  const Folios& folios = std::prev(after)->second;
  if (folios.end <= page.page_number()) return std::nullopt;
  return folios.file;
}

void PageHistory::on_jump(const host::KernelJumped& seen) {
  jumps_.push_back({simulation_.now(), seen.from_generation, preserved_, event()});
  preserved_.clear();
}

void PageHistory::on_cold_reboot() {
  spans_.clear();
  preserved_.clear();
}

const PageHistory::Span* PageHistory::span_at(PhysAddr page) const {
  const auto after = spans_.upper_bound(page.page_number());
  if (after == spans_.begin()) return nullptr;
  const Span& span = std::prev(after)->second;
  return span.end > page.page_number() ? &span : nullptr;
}

const char* PageHistory::owner(PhysAddr page) const {
  const Span* span = span_at(page);
  return span == nullptr ? nullptr : span->owner;
}

std::vector<ChainLink> PageHistory::tell(PhysAddr page) const {
  std::vector<ChainLink> links;
  for (const Record& record : records_) {
    if (!record.pages.contains(page)) continue;
    links.push_back(
        {record.time,
         fmt::format("kernel {} {} it: {}", record.generation, verb(record.event), record.what),
         record.number});
  }
  for (const Jump& jump : jumps_) {
    links.push_back({jump.time,
                     fmt::format("kernel {} ends; the page {} preserved", jump.from,
                                 jump.preserved.contains(page) ? "is" : "is NOT"),
                     jump.event});
  }
  for (const Release& release : releases_) {
    // That the first kernel found it free tells nothing.
    if (release.generation == 0 || release.kept.contains(page)) continue;
    links.push_back({release.time,
                     fmt::format("kernel {} gives it to its page allocator", release.generation),
                     release.event});
  }
  if (const Span* span = span_at(page)) {
    links.push_back({span->since,
                     fmt::format("kernel {} hands it out: {}", span->generation,
                                 span->owner == nullptr ? "?" : span->owner),
                     span->event});
  }
  std::ranges::stable_sort(links, {}, &ChainLink::time);
  return links;
}

std::vector<StateChange> PageHistory::ledger(PhysAddr page) const {
  struct State {
    sim::Time time;
    std::string text;
  };
  std::vector<State> states;
  for (const Record& record : records_) {
    if (!record.pages.contains(page)) continue;
    states.push_back({record.time, fmt::format("kernel {}: {}, {}", record.generation, record.what,
                                               state_after(record.event))});
  }
  for (const Jump& jump : jumps_) {
    states.push_back({jump.time, jump.preserved.contains(page) ? "no kernel: preserved"
                                                               : "no kernel: not preserved"});
  }
  for (const Release& release : releases_) {
    if (release.kept.contains(page)) continue;
    states.push_back({release.time, fmt::format("kernel {}: free", release.generation)});
  }
  if (const Span* span = span_at(page)) {
    states.push_back({span->since, fmt::format("kernel {}: {}", span->generation,
                                               span->owner == nullptr ? "?" : span->owner)});
  }
  std::ranges::stable_sort(states, {}, &State::time);
  std::vector<StateChange> changes;
  for (std::size_t i = 1; i < states.size(); ++i) {
    changes.push_back(
        {fmt::format("page {:#x} at {}", page.page_base().value(), sim::to_string(states[i].time)),
         states[i - 1].text, states[i].text});
  }
  return changes;
}

}  // namespace baton::harness
