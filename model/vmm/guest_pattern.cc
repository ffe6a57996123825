#include "model/vmm/guest_pattern.h"

#include <algorithm>
#include <array>

namespace baton::vmm {
namespace {

using Page = std::array<std::uint64_t, sim::kPageSize / 8>;

// First word of the pattern of one buffer of one batch (finalizer of SplitMix64: different for each
// sequence and buffer); the words after it ascend by a fixed odd stride.
constexpr std::uint64_t kStride = 0x9E3779B97F4A7C15;

std::uint64_t pattern_base(std::uint64_t sequence, std::uint64_t buffer) {
  std::uint64_t z = sequence << 20 ^ buffer;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
  z = (z ^ z >> 27) * 0x94D049BB133111EB;
  return z ^ z >> 31;
}

void report_mismatch(GuestContext& guest, std::uint64_t sequence, GuestAddr address,
                     std::uint64_t expected, std::uint64_t seen) {
  GuestStatus& status = guest.status;
  if (status.mismatches++ != 0) return;
  status.first_mismatch_address = address.value();
  status.first_mismatch_expected = expected;
  status.first_mismatch_seen = seen;
  status.first_mismatch_sequence = sequence;
}

}  // namespace

void fill_pattern(GuestContext& guest, GuestAddr address, std::uint64_t sequence,
                  std::uint64_t buffer) {
  const std::uint64_t size = guest.workload().size;
  std::uint64_t word = pattern_base(sequence, buffer);
  Page page;
  for (std::uint64_t done = 0; done < size; done += sim::kPageSize) {
    const std::uint64_t length = std::min(sim::kPageSize, size - done);
    for (std::uint64_t i = 0; i < length / 8; ++i, word += kStride) page[i] = word;
    guest.write(address + done, std::as_bytes(std::span(page)).first(length));
  }
}

void verify_pattern(GuestContext& guest, GuestAddr address, std::uint64_t sequence,
                    std::uint64_t buffer) {
  const std::uint64_t size = guest.workload().size;
  std::uint64_t word = pattern_base(sequence, buffer);
  Page page{};
  for (std::uint64_t done = 0; done < size; done += sim::kPageSize) {
    const std::uint64_t length = std::min(sim::kPageSize, size - done);
    guest.read(address + done, std::as_writable_bytes(std::span(page)).first(length));
    for (std::uint64_t i = 0; i < length / 8; ++i, word += kStride) {
      if (page[i] != word) [[unlikely]] {
        report_mismatch(guest, sequence, address + done + i * 8, word, page[i]);
      }
    }
  }
  guest.status.bytes_verified += size;
}

}  // namespace baton::vmm
