#include "model/linux/base/page_alloc.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

namespace baton::linux {

namespace {

// Page numbers are 32 bits wide here: 16 TiB of RAM. 0 is none; it is never given out.
using PageNumber = std::uint32_t;

constexpr PageNumber kChunkPages = 1U << kMaxPageOrder;
// Every 512th struct Page lies in an array of its own: memory used in blocks of 2 MiB touches that
// array alone, 32 bytes a block and not a host page.
constexpr PageNumber kSparse = 512;
constexpr PageNumber kLowPages = 0x10'0000 >> kPageShift;
constexpr PageNumber kNormalChunk = static_cast<PageNumber>((std::uint64_t{1} << 32) >> 22);

// States of struct Page.
constexpr std::uint8_t kFreeHead = 1;       // first page of a block on a free list
constexpr std::uint8_t kAllocatedHead = 2;  // first page of an allocated block

// A half-open range of page numbers.
struct PageRange {
  PageNumber start;
  PageNumber end;
};

std::vector<PageRange> merge(std::vector<PageRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const PageRange& a, const PageRange& b) { return a.start < b.start; });
  std::vector<PageRange> merged;
  for (const PageRange& range : ranges) {
    if (range.start >= range.end) {
      continue;
    }
    if (!merged.empty() && range.start <= merged.back().end) {
      merged.back().end = std::max(merged.back().end, range.end);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

// `from` without `taken`; both merged.
std::vector<PageRange> subtract(const std::vector<PageRange>& from,
                                const std::vector<PageRange>& taken) {
  std::vector<PageRange> left;
  auto next = taken.begin();
  for (const PageRange& range : from) {
    PageNumber start = range.start;
    while (next != taken.end() && next->end <= start) {
      ++next;
    }
    for (auto hole = next; hole != taken.end() && hole->start < range.end; ++hole) {
      if (hole->start > start) {
        left.push_back({start, hole->start});
      }
      start = std::max(start, hole->end);
    }
    if (start < range.end) {
      left.push_back({start, range.end});
    }
  }
  return left;
}

}  // namespace

unsigned order_of(std::uint64_t bytes) {
  const std::uint64_t pages = (bytes + sim::kPageSize - 1) >> kPageShift;
  return pages <= 1 ? 0 : static_cast<unsigned>(std::bit_width(pages - 1));
}

// Free blocks below the largest order are linked through struct Page; blocks of the largest order
// are intervals of chunk numbers, so that terabytes of free memory are one entry of a map.
class PageAllocator::State {
 public:
  State(host::KernelPort& machine, const std::vector<sim::PhysRange>& boot_ranges);
  ~State() { ::munmap(pages_, bytes_); }

  void reserve(sim::PhysRange range, const char* owner);
  void release_all(bool overwrite);
  void avoid(std::span<const sim::PhysRange> ranges);
  Result<PhysAddr> allocate(unsigned order, const char* owner);
  void free(PhysAddr inside);
  void adopt(PhysAddr block, unsigned order, const char* owner);
  void split(PhysAddr block);
  bool is_allocated(PageNumber number) const;

  PageNumber number_of(PhysAddr address) const {
    BATON_CHECK(address.page_number() < page_count_, "a page outside of RAM");
    return static_cast<PageNumber>(address.page_number());
  }
  // The first page of the allocated block that holds this page [linux compound_head].
  PageNumber head_of(PhysAddr page) const {
    const PageNumber head = find_head(number_of(page));
    BATON_CHECK(head != 0, "this is no allocated block");
    return head;
  }
  // 0: the page belongs to no allocated block.
  PageNumber find_head(PageNumber number) const;
  Page& at(PageNumber number) const {
    return number % kSparse == 0 ? sparse_[number / kSparse] : pages_[number];
  }
  std::uint64_t free_pages() const { return free_pages_ + avoided_free_pages_; }

 private:
  PageRange clip(sim::PhysRange range) const;
  std::vector<PageRange> firmware_ranges(bool usable) const;
  std::vector<PageRange> early_ranges() const;
  void rebuild(const std::vector<PageRange>& usable);
  void rebuild_early();
  void clear();
  void add_range(PageNumber start, PageNumber end);
  void add_chunks(PageNumber start, PageNumber end);
  PageNumber take_chunk();
  void insert(PageNumber number, unsigned order);
  void link(PageNumber number, unsigned order);
  void unlink(PageNumber number);
  PageNumber take(unsigned order);
  bool avoided(PageNumber number) const;

  host::KernelPort& port_;
  const sim::Topic<PagesAllocated>& allocated_;
  const sim::Topic<PagesFreed>& freed_;
  PageNumber page_count_;
  std::size_t bytes_;
  Page* pages_;
  Page* sparse_;  // of every kSparse-th page: pages_ has a hole there
  std::array<PageNumber, kMaxPageOrder> lists_{};
  std::map<PageNumber, PageNumber> chunks_;  // start to end, in blocks of the largest order
  std::uint64_t free_pages_ = 0;
  std::uint64_t avoided_free_pages_ = 0;
  std::vector<PageRange> avoid_;

  // Until release_all().
  bool released_ = false;
  bool stale_ = false;  // a reservation took from what is free
  std::vector<PageRange> boot_;
  std::map<PageNumber, PageNumber> reserved_;  // start to end
  std::map<PageNumber, unsigned> early_;       // allocated blocks and their orders
};

PageAllocator::State::State(host::KernelPort& machine,
                            const std::vector<sim::PhysRange>& boot_ranges)
    : port_(machine),
      allocated_(machine.simulation().topic<PagesAllocated>()),
      freed_(machine.simulation().topic<PagesFreed>()) {
  const std::uint64_t pages = port_.ram().size() >> kPageShift;
  BATON_CHECK(pages < UINT32_MAX - kChunkPages, "more RAM than page numbers");
  page_count_ = static_cast<PageNumber>(pages);
  // The buddy of the last block may lie past the end of RAM.
  const std::uint64_t slots = (pages / kChunkPages + 1) * kChunkPages;
  bytes_ = (slots + slots / kSparse) * sizeof(Page);
  void* memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  BATON_CHECK(memory != MAP_FAILED, "the host does not give address space for struct page");
  pages_ = static_cast<Page*>(memory);
  sparse_ = pages_ + slots;
  for (const sim::PhysRange& range : boot_ranges) {
    boot_.push_back(clip(range));
  }
  boot_ = merge(std::move(boot_));
  rebuild_early();
}

PageRange PageAllocator::State::clip(sim::PhysRange range) const {
  const std::uint64_t end = std::min<std::uint64_t>(page_count_, range.end().page_number());
  const std::uint64_t start = std::min(end, range.start.page_number());
  return {static_cast<PageNumber>(start), static_cast<PageNumber>(end)};
}

// What the firmware says is RAM, or (usable false) is in RAM but not for us.
std::vector<PageRange> PageAllocator::State::firmware_ranges(bool usable) const {
  std::vector<PageRange> ranges;
  for (const host::MemoryMapEntry& entry : port_.memory_map().entries) {
    if ((entry.type == host::MemoryType::kRam) == usable) {
      ranges.push_back(clip(entry.range));
    }
  }
  return merge(std::move(ranges));
}

std::vector<PageRange> PageAllocator::State::early_ranges() const {
  std::vector<PageRange> taken{{0, std::min(kLowPages, page_count_)}};
  for (const auto& [start, end] : reserved_) {
    taken.push_back({start, end});
  }
  for (const auto& [start, order] : early_) {
    taken.push_back({start, start + (1U << order)});
  }
  return merge(std::move(taken));
}

void PageAllocator::State::clear() {
  for (PageNumber& head : lists_) {
    for (PageNumber number = std::exchange(head, 0); number != 0;) {
      at(number).state = 0;
      number = at(number).next;
    }
  }
  chunks_.clear();
  free_pages_ = 0;
}

void PageAllocator::State::rebuild(const std::vector<PageRange>& usable) {
  clear();
  for (const PageRange& range : usable) {
    add_range(range.start, range.end);
  }
}

void PageAllocator::State::rebuild_early() {
  stale_ = false;
  rebuild(subtract(boot_, early_ranges()));
}

void PageAllocator::State::add_range(PageNumber start, PageNumber end) {
  while (start < end) {
    if (start % kChunkPages == 0 && end - start >= kChunkPages) {
      const PageNumber stop = end / kChunkPages;
      free_pages_ += stop * std::uint64_t{kChunkPages} - start;
      add_chunks(start / kChunkPages, stop);
      start = stop * kChunkPages;
      continue;
    }
    const auto fits = static_cast<unsigned>(std::bit_width(end - start)) - 1;
    const auto order = std::min(fits, static_cast<unsigned>(std::countr_zero(start)));
    insert(start, order);
    start += 1U << order;
  }
}

void PageAllocator::State::add_chunks(PageNumber start, PageNumber end) {
  auto next = chunks_.lower_bound(start);
  if (next != chunks_.end() && next->first == end) {
    end = next->second;
    next = chunks_.erase(next);
  }
  if (next != chunks_.begin() && std::prev(next)->second == start) {
    std::prev(next)->second = end;
  } else {
    chunks_.emplace_hint(next, start, end);
  }
}

// The lowest free block of the largest order above 4 GiB, else the lowest; 0 when there is none.
PageNumber PageAllocator::State::take_chunk() {
  if (chunks_.empty()) {
    return 0;
  }
  auto interval = chunks_.upper_bound(kNormalChunk);
  if (interval != chunks_.begin() && std::prev(interval)->second > kNormalChunk) {
    --interval;
  } else if (interval == chunks_.end()) {
    interval = chunks_.begin();
  }
  const auto [start, end] = *interval;
  const PageNumber chunk = end > kNormalChunk ? std::max(start, kNormalChunk) : start;
  if (chunk == start) {
    chunks_.erase(interval);
  } else {
    interval->second = chunk;
  }
  if (chunk + 1 < end) {
    chunks_.emplace(chunk + 1, end);
  }
  return chunk * kChunkPages;
}

void PageAllocator::State::link(PageNumber number, unsigned order) {
  Page& page = at(number);
  page.state = kFreeHead;
  page.order = static_cast<std::uint8_t>(order);
  page.previous = 0;
  page.next = std::exchange(lists_[order], number);
  if (page.next != 0) {
    at(page.next).previous = number;
  }
}

void PageAllocator::State::unlink(PageNumber number) {
  Page& page = at(number);
  if (page.next != 0) {
    at(page.next).previous = page.previous;
  }
  (page.previous != 0 ? at(page.previous).next : lists_[page.order]) = page.next;
  page.state = 0;
}

// Makes a block free and merges it with its buddies [linux __free_one_page].
void PageAllocator::State::insert(PageNumber number, unsigned order) {
  free_pages_ += 1U << order;
  for (; order < kMaxPageOrder; ++order) {
    const PageNumber buddy = number ^ (1U << order);
    if (at(buddy).state != kFreeHead || at(buddy).order != order) {
      link(number, order);
      return;
    }
    unlink(buddy);
    number &= ~(1U << order);
  }
  add_chunks(number / kChunkPages, number / kChunkPages + 1);
}

// A free block of this order, split from the smallest that is large enough; 0 when there is none.
PageNumber PageAllocator::State::take(unsigned order) {
  unsigned found = order;
  while (found < kMaxPageOrder && lists_[found] == 0) {
    ++found;
  }
  PageNumber number = 0;
  if (found < kMaxPageOrder) {
    number = lists_[found];
    unlink(number);
  } else {
    number = take_chunk();
  }
  if (number == 0) {
    return 0;
  }
  while (found > order) {
    --found;
    link(number + (1U << found), found);
  }
  free_pages_ -= 1U << order;
  return number;
}

bool PageAllocator::State::avoided(PageNumber number) const {
  return std::any_of(avoid_.begin(), avoid_.end(), [number](const PageRange& range) {
    return number >= range.start && number < range.end;
  });
}

void PageAllocator::State::reserve(sim::PhysRange range, const char* owner) {
  BATON_CHECK(!released_, "memory is reserved before it is released");
  const auto [start, end] = clip(range);
  if (start >= end) {
    return;
  }
  if (at(start).state != kAllocatedHead) {
    at(start).owner = owner;
  }
  const bool boot = std::any_of(boot_.begin(), boot_.end(), [&](const PageRange& other) {
    return start < other.end && other.start < end;
  });
  stale_ = stale_ || boot;
  PageNumber merged_start = start;
  PageNumber merged_end = end;
  auto next = reserved_.upper_bound(end);
  while (next != reserved_.begin() && std::prev(next)->second >= merged_start) {
    --next;
    merged_start = std::min(merged_start, next->first);
    merged_end = std::max(merged_end, next->second);
    next = reserved_.erase(next);
  }
  reserved_.emplace_hint(next, merged_start, merged_end);
}

void PageAllocator::State::avoid(std::span<const sim::PhysRange> ranges) {
  BATON_CHECK(!released_, "ranges are avoided before memory is released");
  avoid_.clear();
  for (const sim::PhysRange& range : ranges) {
    avoid_.push_back(clip(range));
  }
  avoid_ = merge(std::move(avoid_));
}

void PageAllocator::State::release_all(bool overwrite) {
  BATON_CHECK(!released_, "memory is released once");
  released_ = true;
  std::vector<PageRange> taken = early_ranges();
  const std::vector<PageRange> firmware = firmware_ranges(false);
  taken.insert(taken.end(), firmware.begin(), firmware.end());
  taken = merge(std::move(taken));
  std::vector<sim::PhysRange> kept;
  for (const auto& [start, end] : taken) {
    kept.push_back(
        {PhysAddr(std::uint64_t{start} << kPageShift), std::uint64_t{end - start} << kPageShift});
  }
  if (overwrite) {
    port_.ram().overwrite(port_.generation(), kept);
  }
  const std::vector<PageRange> released = subtract(firmware_ranges(true), taken);
  const std::vector<PageRange> usable = subtract(released, avoid_);
  rebuild(usable);
  for (const PageRange& range : released) {
    avoided_free_pages_ += range.end - range.start;
  }
  avoided_free_pages_ -= free_pages_;
  early_.clear();
  auto& topic = port_.simulation().topic<MemoryReleased>();
  if (topic.active()) {
    topic.publish({port_.generation(), kept});
  }
}

Result<PhysAddr> PageAllocator::State::allocate(unsigned order, const char* owner) {
  if (order > kMaxPageOrder) {
    return fail(Errno::kNoMem);
  }
  if (stale_ && !released_) {
    rebuild_early();
  }
  const PageNumber number = take(order);
  if (number == 0) {
    return fail(Errno::kNoMem);
  }
  Page& page = at(number);
  page.private_data = 0;
  page.owner = owner;
  page.refcount = 1;
  page.order = static_cast<std::uint8_t>(order);
  page.state = kAllocatedHead;
  if (!released_) {
    early_.emplace(number, order);
  }
  const sim::PhysRange range{PhysAddr(std::uint64_t{number} << kPageShift),
                             sim::kPageSize << order};
  port_.ram().zero_pages(range);
  if (allocated_.active()) {
    allocated_.publish({port_.generation(), range, owner});
  }
  return range.start;
}

void PageAllocator::State::free(PhysAddr inside) {
  const PageNumber number = head_of(inside);
  const PhysAddr block(std::uint64_t{number} << kPageShift);
  Page& page = at(number);
  BATON_CHECK(page.refcount > 0, "a block without references is freed");
  if (--page.refcount > 0) {
    return;
  }
  const unsigned order = page.order;
  page.state = 0;
  page.owner = nullptr;
  page.private_data = 0;
  if (released_ && avoided(number)) {
    avoided_free_pages_ += 1U << order;
  } else {
    insert(number, order);
  }
  early_.erase(number);
  if (freed_.active()) {
    freed_.publish({port_.generation(), {block, sim::kPageSize << order}});
  }
}

void PageAllocator::State::adopt(PhysAddr block, unsigned order, const char* owner) {
  const PageNumber number = number_of(block);
  BATON_CHECK(order <= kMaxPageOrder && number % (1U << order) == 0, "an adopted block's shape");
  BATON_CHECK(!is_allocated(number) && at(number).state != kFreeHead,
              "an adopted block belonged to somebody");
  Page& page = at(number);
  page.owner = owner;
  page.refcount = 1;
  page.order = static_cast<std::uint8_t>(order);
  page.state = kAllocatedHead;
}

// [linux split_page: every page gets the reference that the block had.]
void PageAllocator::State::split(PhysAddr block) {
  const PageNumber number = head_of(block);
  Page& head = at(number);
  BATON_CHECK(head.refcount == 1, "a block with several references is split");
  const PageNumber count = 1U << head.order;
  const bool early = early_.contains(number);
  for (PageNumber tail = 0; tail < count; ++tail) {
    Page& page = at(number + tail);
    page.owner = head.owner;
    page.refcount = 1;
    page.order = 0;
    page.state = kAllocatedHead;
    if (early) {
      early_[number + tail] = 0;
    }
  }
}

PageNumber PageAllocator::State::find_head(PageNumber number) const {
  for (unsigned order = 0; order <= kMaxPageOrder; ++order) {
    const PageNumber head = number & ~((1U << order) - 1);
    const Page& page = at(head);
    if (page.state == kAllocatedHead && page.order >= order) {
      return head;
    }
  }
  return 0;
}

bool PageAllocator::State::is_allocated(PageNumber number) const { return find_head(number) != 0; }

PageAllocator::PageAllocator(host::KernelPort& port, std::vector<sim::PhysRange> boot_ranges)
    : state_(std::make_unique<State>(port, boot_ranges)) {}

PageAllocator::~PageAllocator() = default;

void PageAllocator::reserve(sim::PhysRange range, const char* owner) {
  state_->reserve(range, owner);
}

void PageAllocator::release_all(bool overwrite) { state_->release_all(overwrite); }

Result<PhysAddr> PageAllocator::allocate(unsigned order, const char* owner) {
  return state_->allocate(order, owner);
}

void PageAllocator::set_unmovable_avoids(std::span<const sim::PhysRange> ranges) {
  state_->avoid(ranges);
}

void PageAllocator::free(PhysAddr page) { state_->free(page); }

void PageAllocator::get(PhysAddr page) { ++state_->at(state_->head_of(page)).refcount; }

void PageAllocator::adopt(PhysAddr block, unsigned order, const char* owner) {
  state_->adopt(block, order, owner);
}

void PageAllocator::split(PhysAddr block) { state_->split(block); }

Page& PageAllocator::page(PhysAddr address) { return state_->at(state_->number_of(address)); }

bool PageAllocator::is_allocated(PhysAddr address) const {
  return address.page_number() < UINT32_MAX && state_->is_allocated(state_->number_of(address));
}

std::uint64_t PageAllocator::free_pages() const { return state_->free_pages(); }

}  // namespace baton::linux
