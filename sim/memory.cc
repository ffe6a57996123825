#include "sim/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <utility>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace baton::sim {

namespace {

constexpr std::uint32_t kMaxGeneration = 252;
constexpr std::uint64_t kRegionPages = 512;
constexpr std::uint64_t kRegionBytes = kRegionPages * kPageSize;

constexpr std::uint64_t regions_of(std::uint64_t size) {
  return (size + kRegionBytes - 1) / kRegionBytes;
}

// States of all pages, then one byte for each region of 2 MiB: 0 when its pages speak for
// themselves, else the state of all of them, whose own bytes are then 0. So 2 MiB that are zeroed
// or kept as a whole cost one byte.
constexpr std::uint64_t state_bytes(std::uint64_t size) {
  return regions_of(size) * (kRegionPages + 1);
}

// The bytes of regions, behind those of pages.
struct RegionStates {
  std::uint8_t* states;
  std::uint64_t size;

  std::uint8_t& all(std::uint64_t region) const {
    return states[regions_of(size) * kRegionPages + region];
  }
  std::uint8_t* pages(std::uint64_t region) const { return states + region * kRegionPages; }
  // `used`: some page of the region may have a state of its own.
  void set_all(std::uint64_t region, std::uint8_t state, bool used) const {
    if (used && all(region) == 0) std::memset(pages(region), 0, kRegionPages);
    all(region) = state;
  }
  // Gives each page the state that they have in common.
  void spread(std::uint64_t region) const {
    if (all(region) == 0) return;
    std::memset(pages(region), all(region), kRegionPages);
    all(region) = 0;
  }
  // Pages in none of `kept`, which start at or behind the region, go back to 0. True: all did.
  bool forget_outside(std::uint64_t region, std::span<const PhysRange> kept) const {
    const std::uint64_t start = region * kRegionPages;
    const std::uint64_t end = std::min(start + kRegionPages, size / kPageSize);
    auto next = kept.begin();
    if (next == kept.end() || next->start.page_number() >= end) {
      set_all(region, 0, true);
      return true;
    }
    if (next->start.page_number() <= start && next->end().page_number() >= end) {
      return false;
    }
    spread(region);
    for (std::uint64_t page = start; page < end; ++page) {
      while (next != kept.end() && next->end().page_number() <= page) {
        ++next;
      }
      if (next == kept.end() || next->start.page_number() > page) {
        states[page] = 0;
      }
    }
    return false;
  }
};

// By the C library, which knows how this host copies a page fastest: knowing that it is no more
// than a page, GCC puts its one string instruction in the place of a memcpy.
[[gnu::noinline]] void copy_bytes(std::byte* to, const std::byte* from, std::size_t bytes) {
  std::memmove(to, from, bytes);
}

// The same in pieces that the C library moves by vector registers. Longer ones it moves by the
// string instruction, which waits for all stores before it: those of a page that was written are
// many, and the lines to be read now could be on their way meanwhile.
void copy_out(std::byte* to, const std::byte* from, std::size_t bytes) {
  constexpr std::size_t kPiece = 1024;
  for (; bytes > kPiece; bytes -= kPiece, to += kPiece, from += kPiece) {
    copy_bytes(to, from, kPiece);
  }
  copy_bytes(to, from, bytes);
}

// A page, past the host's caches: the lines that are written over need not be fetched before. What
// this thread reads next it sees; another thread would need a fence, and a simulation has one
// thread. `from` is not in the same page.
void stream_page(std::byte* to, const std::byte* from) {
#if defined(__SSE2__)
  for (std::size_t line = 0; line < kPageSize; line += 4 * sizeof(__m128i)) {
    const auto* const source = reinterpret_cast<const __m128i*>(from + line);
    auto* const place = reinterpret_cast<__m128i*>(to + line);
    const __m128i first = _mm_loadu_si128(source);
    const __m128i second = _mm_loadu_si128(source + 1);
    const __m128i third = _mm_loadu_si128(source + 2);
    const __m128i fourth = _mm_loadu_si128(source + 3);
    _mm_stream_si128(place, first);
    _mm_stream_si128(place + 1, second);
    _mm_stream_si128(place + 2, third);
    _mm_stream_si128(place + 3, fourth);
  }
#else
  copy_bytes(to, from, kPageSize);
#endif
}

void* address_space(std::uint64_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  BATON_CHECK(memory != MAP_FAILED, "the host does not give address space for simulated memory");
  return memory;
}

}  // namespace

BadAccess::BadAccess(PhysAddr address)
    : BugError(fmt::format("access outside physical memory, at {:#x}", address.value())),
      address_(address) {}

PhysicalMemory::PhysicalMemory(std::uint64_t size) { map(size); }

PhysicalMemory::~PhysicalMemory() { unmap(); }

void PhysicalMemory::grow(std::uint64_t size) {
  BATON_CHECK(size >= size_ && regions_.empty() && generation_ == 0,
              "memory that was used does not grow");
  unmap();
  map(size);
}

void PhysicalMemory::map(std::uint64_t size) {
  BATON_CHECK(size > 0 && size % kPageSize == 0, "memory size is not a multiple of the page size");
  base_ = static_cast<std::byte*>(address_space(size));
  states_ = static_cast<std::uint8_t*>(address_space(state_bytes(size)));
  region_marked_.resize(size / kPageSize / kPagesPerRegion + 1);
  size_ = size;
}

void PhysicalMemory::unmap() {
  ::munmap(base_, size_);
  ::munmap(states_, state_bytes(size_));
}

void PhysicalMemory::read(PhysAddr address, std::span<std::byte> to) {
  if (!contains(address, to.size())) {
    throw BadAccess(address);
  }
  while (!to.empty()) {
    const std::size_t step = std::min<std::size_t>(to.size(), kPageSize - address.page_offset());
    copy_out(to.data(), page(address).data() + address.page_offset(), step);
    to = to.subspan(step);
    address = address + step;
  }
}

void PhysicalMemory::write(PhysAddr address, std::span<const std::byte> from) {
  if (!contains(address, from.size())) {
    throw BadAccess(address);
  }
  while (!from.empty()) {
    const std::size_t step = std::min<std::size_t>(from.size(), kPageSize - address.page_offset());
    if (step == kPageSize) {
      write_page(address.page_number(), from.data());
    } else {
      copy_bytes(page(address).data() + address.page_offset(), from.data(), step);
    }
    from = from.subspan(step);
    address = address + step;
  }
}

// Whatever was there need not be made first. A page that is not written again and again is in none
// of the host's caches, and need not come into them; one that the host has just made is.
void PhysicalMemory::write_page(std::uint64_t page_number, const std::byte* from) {
  const bool recent = written_recently(page_number);
  const bool fresh = own(page_number) != kReal;
  std::byte* const to = base_ + page_number * kPageSize;
  if (recent || fresh) {
    copy_bytes(to, from, kPageSize);
  } else {
    stream_page(to, from);
  }
}

void PhysicalMemory::zero_pages(PhysRange range) {
  if (!contains(range.start, range.length)) {
    throw BadAccess(range.start);
  }
  BATON_CHECK(range.start.page_offset() == 0 && range.length % kPageSize == 0,
              "zeroing works on whole pages");
  const RegionStates regions{states_, size_};
  const std::uint64_t end = range.end().page_number();
  for (std::uint64_t page = range.start.page_number(); page < end;) {
    const bool known = region_marked_[page / kPagesPerRegion];
    mark_region(page);
    if (page % kPagesPerRegion == 0 && end - page >= kPagesPerRegion) {
      regions.set_all(page / kPagesPerRegion, kZero, known);
      page += kPagesPerRegion;
    } else {
      regions.spread(page / kPagesPerRegion);
      states_[page++] = kZero;
    }
  }
}

std::uint64_t PhysicalMemory::pattern(std::uint32_t generation, std::uint64_t page_number) {
  return 0xDEAD'0000'0000'0000 | std::uint64_t{generation} << 40 | (page_number & 0xFF'FFFF'FFFF);
}

// The page has bytes of its own from now on. What its state was.
std::uint8_t PhysicalMemory::own(std::uint64_t page_number) {
  if (states_[page_number] == kReal) {
    return kReal;
  }
  const RegionStates regions{states_, size_};
  regions.spread(page_number / kPagesPerRegion);
  mark_region(page_number);
  return std::exchange(states_[page_number], kReal);
}

void PhysicalMemory::materialise(std::uint64_t page_number) {
  const std::uint8_t state = own(page_number);
  std::byte* bytes = base_ + page_number * kPageSize;
  const std::uint32_t generation = state == kDefault ? generation_ : state - 1U;
  if (state == kZero || generation == 0) {
    std::memset(bytes, 0, kPageSize);
    return;
  }
  const std::uint64_t fill = pattern(generation, page_number);
  for (std::uint64_t offset = 0; offset < kPageSize; offset += sizeof(fill)) {
    std::memcpy(bytes + offset, &fill, sizeof(fill));
  }
}

void PhysicalMemory::mark_region(std::uint64_t page_number) {
  const std::uint64_t region = page_number / kPagesPerRegion;
  if (!region_marked_[region]) {
    region_marked_[region] = true;
    regions_.push_back(region);
  }
}

void PhysicalMemory::overwrite(std::uint32_t generation, std::span<const PhysRange> kept) {
  BATON_CHECK(generation > generation_ && generation <= kMaxGeneration,
              "generations of memory count upward from 1 to 252");
  const RegionStates regions{states_, size_};
  // Kept pages that nobody has touched yet keep the content of the generation so far.
  const auto so_far = static_cast<std::uint8_t>(generation_ + 1);
  for (const PhysRange& range : kept) {
    const std::uint64_t end = range.end().page_number();
    for (std::uint64_t page = range.start.page_number(); page < end;) {
      const std::uint64_t region = page / kPagesPerRegion;
      const bool whole = page % kPagesPerRegion == 0 && end - page >= kPagesPerRegion;
      if (whole && (!region_marked_[region] || regions.all(region) != 0)) {
        if (regions.all(region) == 0) regions.all(region) = so_far;
        mark_region(page);
        page += kPagesPerRegion;
        continue;
      }
      mark_region(page);
      regions.spread(region);
      if (states_[page] == kDefault) states_[page] = so_far;
      ++page;
    }
  }
  std::sort(regions_.begin(), regions_.end());
  auto next = kept.begin();
  std::erase_if(regions_, [&](std::uint64_t region) {
    const PhysAddr start(region * kRegionBytes);
    while (next != kept.end() && next->end() <= start) {
      ++next;
    }
    const bool empty = regions.forget_outside(region, std::span(next, kept.end()));
    if (empty) region_marked_[region] = false;
    return empty;
  });
  generation_ = generation;
}

std::vector<PhysRange> PhysicalMemory::touched() const {
  std::vector<std::uint64_t> regions = regions_;
  std::sort(regions.begin(), regions.end());
  std::vector<PhysRange> runs;
  const std::uint64_t pages = size_ / kPageSize;
  for (const std::uint64_t region : regions) {
    const std::uint64_t end = std::min((region + 1) * kPagesPerRegion, pages);
    for (std::uint64_t page = region * kPagesPerRegion; page < end; ++page) {
      if (states_[page] != kReal) {
        continue;
      }
      const PhysAddr start(page * kPageSize);
      if (!runs.empty() && runs.back().end() == start) {
        runs.back().length += kPageSize;
      } else {
        runs.push_back({start, kPageSize});
      }
    }
  }
  return runs;
}

}  // namespace baton::sim
