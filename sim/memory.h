// Physical memory of the simulated host: one flat mapping without reserved swap, so that terabytes
// of address space cost nothing until touched.
//
// Law 2: what nobody preserved is gone. overwrite() declares all pages outside a list of ranges
// overwritten by a kernel generation; they read as that generation's pattern. Patterns and zeroed
// pages are made when a page is first touched, so neither costs anything per page of RAM.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "sim/address.h"
#include "sim/check.h"

namespace baton::sim {

inline constexpr std::uint64_t kPageSize = 4096;

// [start, start + length)
struct PhysRange {
  PhysAddr start;
  std::uint64_t length = 0;

  constexpr PhysAddr end() const { return start + length; }
  constexpr bool contains(PhysAddr address) const {
    return address >= start && address - start < length;
  }
  friend constexpr bool operator==(const PhysRange&, const PhysRange&) = default;
};

// An access outside of memory. A bug of whoever made it, unless it is a kernel whose own tables
// were overwritten: that kernel takes a page fault and panics (linux::KernelServices).
class BadAccess : public BugError {
 public:
  explicit BadAccess(PhysAddr address);
  PhysAddr address() const { return address_; }

 private:
  PhysAddr address_;
};

class PhysicalMemory {
 public:
  // `size` bytes from address 0, a multiple of the page size. All pages read as zero at power-on.
  explicit PhysicalMemory(std::uint64_t size);
  ~PhysicalMemory();
  PhysicalMemory(const PhysicalMemory&) = delete;
  PhysicalMemory& operator=(const PhysicalMemory&) = delete;

  std::uint64_t size() const { return size_; }
  // More of it, while nothing was read or written yet.
  void grow(std::uint64_t size);

  bool contains(PhysAddr address, std::uint64_t length) const {
    return length <= size_ && address.value() <= size_ - length;
  }

  // The 4096 bytes of the page that holds `address`.
  std::span<std::byte> page(PhysAddr address) {
    if (!contains(address, 1)) [[unlikely]] {
      throw BadAccess(address);
    }
    touch(address.page_number());
    return {base_ + address.page_base().value(), kPageSize};
  }

  // Reads the value at an address that is a multiple of its size, if its page holds bytes of its
  // own already: nothing is made, nothing checked twice. False: use load().
  template <class T>
  bool peek(PhysAddr address, T& value) const {
    static_assert(std::is_trivially_copyable_v<T> && kPageSize % sizeof(T) == 0);
    if (address.value() >= size_ || states_[address.page_number()] != kReal) {
      return false;
    }
    std::memcpy(&value, base_ + address.value(), sizeof(T));
    return true;
  }

  // Copies across page boundaries are fine; the range must lie inside memory.
  void read(PhysAddr address, std::span<std::byte> to);
  void write(PhysAddr address, std::span<const std::byte> from);

  // Little-endian value, not crossing a page.
  template <class T>
  T load(PhysAddr address) {
    static_assert(std::is_trivially_copyable_v<T>);
    BATON_CHECK(address.page_offset() + sizeof(T) <= kPageSize, "a value crosses a page");
    T value;
    std::memcpy(&value, page(address).data() + address.page_offset(), sizeof(T));
    return value;
  }
  template <class T>
  void store(PhysAddr address, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    BATON_CHECK(address.page_offset() + sizeof(T) <= kPageSize, "a value crosses a page");
    std::memcpy(page(address).data() + address.page_offset(), &value, sizeof(T));
  }

  // Whole pages become zero, lazily.
  void zero_pages(PhysRange range);

  // Everything outside `kept` (sorted, disjoint, whole pages) now reads as the pattern of
  // `generation` (1 or more). Kept pages do not change, touched or not.
  void overwrite(std::uint32_t generation, std::span<const PhysRange> kept);

  // The 8 bytes that fill a page overwritten by `generation`: a value that is no canonical address
  // and no valid table entry, different for every page, so that a report can name it.
  static std::uint64_t pattern(std::uint32_t generation, std::uint64_t page_number);

  // Runs of pages that hold bytes of their own (written, or part of a pattern made visible).
  std::vector<PhysRange> touched() const;

 private:
  // State of a page, one byte: its content is that of the last overwrite(), a lazily made zero
  // page, a lazily made pattern of an older generation, or real bytes.
  static constexpr std::uint8_t kDefault = 0;
  static constexpr std::uint8_t kZero = 254;
  static constexpr std::uint8_t kReal = 255;
  static constexpr std::uint64_t kPagesPerRegion = 512;
  // Pages written whole within the host's second cache, and as many that are being read.
  static constexpr std::size_t kRecentPages = 1024;

  void touch(std::uint64_t page_number) {
    if (states_[page_number] != kReal) [[unlikely]] {
      materialise(page_number);
    }
  }
  // Whether this page was among the last that were written whole. From now on it is. A guess: of
  // pages with the same place in the table the last one counts.
  bool written_recently(std::uint64_t page_number) {
    const auto tag = static_cast<std::uint32_t>(page_number);
    return std::exchange(recent_[page_number % kRecentPages], tag) == tag;
  }
  void write_page(std::uint64_t page_number, const std::byte* from);
  void map(std::uint64_t size);
  void unmap();
  std::uint8_t own(std::uint64_t page_number);
  void materialise(std::uint64_t page_number);
  void mark_region(std::uint64_t page_number);

  std::uint64_t size_ = 0;
  std::byte* base_ = nullptr;
  std::uint8_t* states_ = nullptr;  // one per page; value n in 1..253: pattern of generation n - 1
  std::uint32_t generation_ = 0;
  std::array<std::uint32_t, kRecentPages> recent_{};
  std::vector<bool> region_marked_;
  std::vector<std::uint64_t> regions_;  // 2 MiB regions with any state other than kDefault
};

}  // namespace baton::sim
