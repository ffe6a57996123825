#include "sim/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>

namespace baton::sim {

namespace {

constexpr std::uint32_t kMaxGeneration = 252;

void* map(std::uint64_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  BATON_CHECK(memory != MAP_FAILED, "the host does not give address space for simulated memory");
  return memory;
}

}  // namespace

BadAccess::BadAccess(PhysAddr address)
    : BugError(fmt::format("access outside physical memory, at {:#x}", address.value())),
      address_(address) {}

PhysicalMemory::PhysicalMemory(std::uint64_t size)
    : size_(size), region_marked_(size / kPageSize / kPagesPerRegion + 1) {
  BATON_CHECK(size > 0 && size % kPageSize == 0, "memory size is not a multiple of the page size");
  base_ = static_cast<std::byte*>(map(size));
  states_ = static_cast<std::uint8_t*>(map(size / kPageSize));
}

PhysicalMemory::~PhysicalMemory() {
  ::munmap(base_, size_);
  ::munmap(states_, size_ / kPageSize);
}

void PhysicalMemory::read(PhysAddr address, std::span<std::byte> to) {
  if (!contains(address, to.size())) {
    throw BadAccess(address);
  }
  while (!to.empty()) {
    const std::size_t step = std::min<std::size_t>(to.size(), kPageSize - address.page_offset());
    std::memcpy(to.data(), page(address).data() + address.page_offset(), step);
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
    std::memcpy(page(address).data() + address.page_offset(), from.data(), step);
    from = from.subspan(step);
    address = address + step;
  }
}

void PhysicalMemory::zero_pages(PhysRange range) {
  if (!contains(range.start, range.length)) {
    throw BadAccess(range.start);
  }
  BATON_CHECK(range.start.page_offset() == 0 && range.length % kPageSize == 0,
              "zeroing works on whole pages");
  const std::uint64_t end = range.end().page_number();
  for (std::uint64_t page = range.start.page_number(); page < end; ++page) {
    mark_region(page);
    states_[page] = kZero;
  }
}

std::uint64_t PhysicalMemory::pattern(std::uint32_t generation, std::uint64_t page_number) {
  return 0xDEAD'0000'0000'0000 | std::uint64_t{generation} << 40 | (page_number & 0xFF'FFFF'FFFF);
}

void PhysicalMemory::materialise(std::uint64_t page_number) {
  const std::uint8_t state = states_[page_number];
  std::byte* bytes = base_ + page_number * kPageSize;
  const std::uint32_t generation = state == kDefault ? generation_ : state - 1U;
  mark_region(page_number);
  states_[page_number] = kReal;
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
  // Kept pages that nobody has touched yet keep the content of the generation so far.
  for (const PhysRange& range : kept) {
    const std::uint64_t end = range.end().page_number();
    for (std::uint64_t page = range.start.page_number(); page < end; ++page) {
      if (states_[page] == kDefault) {
        mark_region(page);
        states_[page] = static_cast<std::uint8_t>(generation_ + 1);
      }
    }
  }
  std::sort(regions_.begin(), regions_.end());
  auto next = kept.begin();
  const std::uint64_t pages = size_ / kPageSize;
  for (const std::uint64_t region : regions_) {
    const std::uint64_t end = std::min((region + 1) * kPagesPerRegion, pages);
    for (std::uint64_t page = region * kPagesPerRegion; page < end; ++page) {
      while (next != kept.end() && next->end().page_number() <= page) {
        ++next;
      }
      const bool keep = next != kept.end() && next->start.page_number() <= page;
      if (!keep) {
        states_[page] = kDefault;
      }
    }
  }
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
