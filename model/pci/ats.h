// Address translation services and page requests: what travels between a function and the
// translation agent of its host [PCIe 10.2 to 10.4].
//
// Not modelled: completions of more than one translation, execute and privileged access, a smallest
// translation unit above 4 KiB, traffic classes (one completion answers an invalidation).
#pragma once

#include <bit>
#include <cstdint>
#include <optional>

#include "sim/address.h"
#include "sim/time.h"

namespace baton::pci {

// The 8 bytes of a translation completion [PCIe 10.2.3]: address 63:12, S 11, N 10, U 2, W 1, R 0.
// With S the lowest zero bit of the address from bit 12 up tells the size of the page.
struct AtsTranslation {
  std::uint64_t address = 0;  // of the page
  std::uint64_t bytes = 4096;
  bool readable = false;
  bool writable = false;
};

constexpr std::uint64_t encode_ats_range(std::uint64_t address, std::uint64_t bytes) {
  if (bytes <= 4096) {
    return address & ~std::uint64_t{0xFFF};
  }
  return (address & ~(bytes - 1)) | ((bytes / 2 - 1) & ~std::uint64_t{0xFFF});
}

// Bytes named by an address field and its S bit; 0 for all of them.
constexpr std::uint64_t ats_range_bytes(std::uint64_t address, bool s) {
  if (!s) {
    return 4096;
  }
  const int zero = std::countr_one(address >> 12) + 12;
  return zero >= 63 ? 0 : std::uint64_t{2} << zero;
}

constexpr std::uint64_t encode(const AtsTranslation& translation) {
  constexpr std::uint64_t kS = 1 << 11;
  constexpr std::uint64_t kW = 2;
  constexpr std::uint64_t kR = 1;
  if (!translation.readable && !translation.writable) {
    return 0;
  }
  return encode_ats_range(translation.address, translation.bytes) |
         (translation.bytes > 4096 ? kS : 0) | (translation.writable ? kW : 0) |
         (translation.readable ? kR : 0);
}

constexpr AtsTranslation decode_ats_translation(std::uint64_t completion) {
  AtsTranslation translation;
  const bool s = (completion >> 11 & 1) != 0;
  translation.bytes = ats_range_bytes(completion, s);
  translation.readable = (completion & 1) != 0;
  translation.writable = (completion & 2) != 0;
  translation.address = completion & ~(translation.bytes - 1) & ~std::uint64_t{0xFFF};
  return translation;
}

// An Invalidate Request [PCIe 10.3.1]: addresses first to last, both included.
struct AtsInvalidation {
  std::optional<Pasid> pasid{};  // none: of requests without PASID
  bool all_pasids = false;       // G: whatever the PASID
  std::uint64_t first = 0;
  std::uint64_t last = ~std::uint64_t{0};
};

constexpr AtsInvalidation make_ats_invalidation(std::optional<Pasid> pasid, bool all_pasids,
                                                std::uint64_t address, bool s) {
  const std::uint64_t bytes = ats_range_bytes(address, s);
  AtsInvalidation invalidation{.pasid = pasid, .all_pasids = all_pasids};
  if (bytes != 0) {
    invalidation.first = address & ~(bytes - 1);
    invalidation.last = invalidation.first + (bytes - 1);
  }
  return invalidation;
}

// A Page Request message and the response to its group [PCIe 10.4].
struct PageRequest {
  std::uint32_t segment = 0;
  Bdf requester{};
  std::optional<Pasid> pasid{};
  std::uint64_t address = 0;
  bool read = false;
  bool write = false;
  bool last = true;         // of its group
  std::uint16_t group = 0;  // 9 bits
};

enum class PageResponseCode : std::uint8_t { kSuccess = 0, kInvalidRequest = 1, kFailure = 0xF };

struct PageResponse {
  std::optional<Pasid> pasid{};
  std::uint16_t group = 0;
  PageResponseCode code = PageResponseCode::kSuccess;
};

}  // namespace baton::pci
