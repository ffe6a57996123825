#include "harness/invariants/handed_over.h"

#include <libfdt.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace baton::harness {
namespace {

constexpr std::uint32_t kSetupKexecKho = 10;
constexpr unsigned kSetupEntriesMax = 64;
constexpr std::uint64_t kAreasMax = 1024;
constexpr unsigned kTopLevel = 5;
constexpr unsigned kOrderMax = 40;

class Reader {
 public:
  explicit Reader(sim::PhysicalMemory& memory) : memory_(memory) {}

  std::optional<HandedOver> read(PhysAddr setup_data) {
    for (unsigned i = 0; i < kSetupEntriesMax && has(setup_data, 48); ++i) {
      if (memory_.load<std::uint32_t>(setup_data + 8) == kSetupKexecKho) {
        return payload(setup_data + 16);
      }
      setup_data = PhysAddr(word(setup_data));
    }
    return std::nullopt;
  }

 private:
  bool has(PhysAddr address, std::uint64_t length) const {
    return address != PhysAddr() && address.value() % 8 == 0 && memory_.contains(address, length) &&
           address.page_offset() + length <= sim::kPageSize;
  }
  std::uint64_t word(PhysAddr address) const { return memory_.load<std::uint64_t>(address); }

  std::optional<HandedOver> payload(PhysAddr at) {
    const auto root = memory_map(PhysAddr(word(at)));
    if (!root) {
      return std::nullopt;
    }
    const PhysAddr table(word(at + 16));
    const std::uint64_t areas = std::min(word(at + 24) / 16, kAreasMax);
    for (std::uint64_t i = 0; i < areas && has(table + i * 16, 16); ++i) {
      result_.scratch.push_back({PhysAddr(word(table + i * 16)), word(table + i * 16 + 8)});
    }
    result_.whole = tree(*root, kTopLevel, 0);
    return std::move(result_);
  }

  std::optional<PhysAddr> memory_map(PhysAddr fdt) const {
    if (!has(fdt, sim::kPageSize)) {
      return std::nullopt;
    }
    const void* bytes = memory_.page(fdt).data();
    if (::fdt_check_full(bytes, sim::kPageSize) != 0) {
      return std::nullopt;
    }
    int length = 0;
    const void* value = ::fdt_getprop(bytes, 0, "preserved-memory-map", &length);
    std::uint64_t address = 0;
    if (value == nullptr || length != sizeof(address)) {
      return std::nullopt;
    }
    std::memcpy(&address, value, sizeof(address));
    return PhysAddr(address);
  }

  bool tree(PhysAddr page, unsigned level, std::uint64_t prefix) {
    if (!has(page, sim::kPageSize) || result_.tree.size() >= memory_.size() / sim::kPageSize) {
      return false;
    }
    result_.tree.push_back(page);
    for (std::uint64_t i = 0; i < 512; ++i) {
      const std::uint64_t value = word(page + i * 8);
      if (level > 0) {
        if (value != 0 && !tree(PhysAddr(value), level - 1, prefix << 9 | i)) return false;
        continue;
      }
      for (std::uint64_t bits = value; bits != 0; bits &= bits - 1) {
        const auto bit = static_cast<unsigned>(std::countr_zero(bits));
        if (!block(prefix << 15 | i * 64 | bit)) return false;
      }
    }
    return true;
  }

  // The highest bit says the order, the rest is the number of the block.
  bool block(std::uint64_t key) {
    const auto width = static_cast<unsigned>(std::bit_width(key));
    if (key == 0 || width > 53 || 53 - width > kOrderMax) {
      return false;
    }
    const unsigned order = 53 - width;
    const PhysAddr start((key ^ std::uint64_t{1} << (width - 1)) << (12 + order));
    if (!memory_.contains(start, sim::kPageSize << order)) {
      return false;
    }
    result_.blocks.add({start, sim::kPageSize << order});
    return true;
  }

  sim::PhysicalMemory& memory_;
  HandedOver result_;
};

}  // namespace

std::optional<HandedOver> read_handed_over(sim::PhysicalMemory& memory,
                                           const host::KexecImage& image) {
  return Reader(memory).read(image.setup_data);
}

}  // namespace baton::harness
