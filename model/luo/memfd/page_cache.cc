// The page cache of a memfd [linux mm/shmem.c shmem_get_folio_gfp, shmem_undo_range].
#include <algorithm>
#include <utility>

#include "model/luo/memfd/memfd_state.h"

namespace baton::luo {

using linux::Errno;
using linux::fail;
using linux::Result;
using sim::kPageSize;

namespace {

constexpr std::uint64_t kHugePages = std::uint64_t{1} << kHugeOrder;

}  // namespace

PhysAddr Memfd::State::find(std::uint64_t index) const {
  const auto after = runs_.upper_bound(index);
  if (after == runs_.begin()) {
    return PhysAddr();
  }
  const auto& [first, run] = *std::prev(after);
  return index - first < run.pages ? run.start + (index - first) * kPageSize : PhysAddr();
}

unsigned Memfd::State::order_at(std::uint64_t index) const {
  const auto after = runs_.upper_bound(index);
  return after == runs_.begin() ? 0 : std::prev(after)->second.order;
}

bool Memfd::State::is_hole(std::uint64_t index, std::uint64_t pages) const {
  const auto after = runs_.lower_bound(index + pages);
  return after == runs_.begin() ||
         std::prev(after)->first + std::prev(after)->second.pages <= index;
}

std::optional<std::uint64_t> Memfd::State::next_hole(std::uint64_t index) const {
  auto after = runs_.upper_bound(index);
  if (after != runs_.begin()) {
    const auto& [first, run] = *std::prev(after);
    index = std::max(index, first + run.pages);
  }
  for (; after != runs_.end() && after->first == index; ++after) {
    index += after->second.pages;
  }
  return index < page_count() ? std::optional(index) : std::nullopt;
}

void Memfd::State::each_folio(const std::function<bool(const Folio&)>& visit) const {
  for (const auto& [first, run] : runs_) {
    const std::uint64_t step = std::uint64_t{1} << run.order;
    for (std::uint64_t page = 0; page < run.pages; page += step) {
      if (!visit({first + page, run.start + page * kPageSize, run.order})) {
        return;
      }
    }
  }
}

// shmem_huge_global_enabled: a huge page may reach behind the end of the file or not.
unsigned Memfd::State::wanted_order(std::uint64_t index) const {
  const std::uint64_t first = index / kHugePages * kHugePages;
  const bool fits = first + kHugePages <= page_count();
  const bool wanted = huge == ShmemHuge::kAlways || (huge == ShmemHuge::kWithinSize && fits);
  return wanted && is_hole(first, kHugePages) ? kHugeOrder : 0;
}

Result<PhysAddr> Memfd::State::get(std::uint64_t index) {
  const PhysAddr found = find(index);
  if (found != PhysAddr()) {
    return found;
  }
  if (hugetlb) {
    return fail(Errno::kNoMem);
  }
  unsigned order = wanted_order(index);
  Result<PhysAddr> folio = services.pages().allocate(order, "memfd folio");
  if (!folio && order > 0) {  // no block that large: single pages do
    order = 0;
    folio = services.pages().allocate(order, "memfd folio");
  }
  if (!folio) {
    return folio;
  }
  const std::uint64_t first = index >> order << order;
  enter(first, *folio, order);
  auto& ledger = services.port().simulation().topic<linux::LedgerEntry>();
  if (ledger.active()) {
    ledger.publish({services.generation(),
                    linux::LedgerEvent::kCreated,
                    linux::LedgerKind::kPages,
                    "memfd folio",
                    {*folio, kPageSize << order},
                    inode});
  }
  return *folio + (index - first) * kPageSize;
}

Result<> Memfd::State::insert(std::uint64_t index, PhysAddr folio, unsigned order) {
  if (!is_hole(index, std::uint64_t{1} << order)) {
    return fail(Errno::kExist);
  }
  enter(index, folio, order);
  return {};
}

void Memfd::State::enter(std::uint64_t index, PhysAddr folio, unsigned order) {
  const std::uint64_t pages = std::uint64_t{1} << order;
  ++folio_count_;
  auto after = runs_.upper_bound(index);
  Run run{folio, pages, order};
  const auto follows = [](std::uint64_t first, const Run& a, std::uint64_t next, const Run& b) {
    return first + a.pages == next && a.start + a.pages * kPageSize == b.start &&
           a.order == b.order;
  };
  if (after != runs_.end() && follows(index, run, after->first, after->second)) {
    run.pages += after->second.pages;
    after = runs_.erase(after);
  }
  if (after != runs_.begin()) {
    const auto before = std::prev(after);
    if (follows(before->first, before->second, index, run)) {
      before->second.pages += run.pages;
      return;
    }
  }
  runs_.emplace_hint(after, index, run);
}

void Memfd::State::drop_from(std::uint64_t index) {
  auto at = runs_.upper_bound(index);
  if (at != runs_.begin()) {
    --at;
  }
  std::vector<std::pair<std::uint64_t, Run>> cut;
  while (at != runs_.end()) {
    if (at->first + at->second.pages <= index) {
      ++at;
      continue;
    }
    cut.emplace_back(*at);
    at = runs_.erase(at);
  }
  for (const auto& [first, run] : cut) {
    drop_run_from(first, run, index);
  }
}

// The run has left the cache; what lies before `index` comes back.
void Memfd::State::drop_run_from(std::uint64_t first, Run run, std::uint64_t index) {
  const std::uint64_t step = std::uint64_t{1} << run.order;
  folio_count_ -= run.pages / step;
  for (std::uint64_t page = 0; page < run.pages; page += step) {
    const PhysAddr folio = run.start + page * kPageSize;
    if (first + page + step <= index) {
      enter(first + page, folio, run.order);
    } else if (first + page >= index) {
      services.pages().free(folio);
    } else {
      drop_tail(first + page, folio, run.order, index - first - page);
    }
  }
}

// truncate_inode_partial_folio: a folio that somebody else holds cannot be split, its tail is
// cleared.
void Memfd::State::drop_tail(std::uint64_t first, PhysAddr folio, unsigned order,
                             std::uint64_t keep) {
  const std::uint64_t pages = std::uint64_t{1} << order;
  if (services.pages().page(folio).refcount > 1) {
    services.port().ram().zero_pages({folio + keep * kPageSize, (pages - keep) * kPageSize});
    enter(first, folio, order);
    return;
  }
  services.pages().split(folio);
  for (std::uint64_t page = 0; page < pages; ++page) {
    if (page < keep) {
      enter(first + page, folio + page * kPageSize, 0);
    } else {
      services.pages().free(folio + page * kPageSize);
    }
  }
}

}  // namespace baton::luo
