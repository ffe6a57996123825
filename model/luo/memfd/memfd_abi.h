// The bytes of a preserved memfd, generation memfd-v2 [linux include/linux/kho/abi/memfd.h, v7.2].
//
// The record has a preserved page of its own, whose address is LUO's data of the file. It describes
// an array of folio records in vmalloc memory. Packed, little endian.
#pragma once

#include <cstdint>
#include <type_traits>

namespace baton::luo::abi {

inline constexpr const char* kMemfdCompatible = "memfd-v2";

// struct kho_vmalloc as it lies inside the record.
struct Vmalloc {
  std::uint64_t first_chunk = 0;
  std::uint32_t total_pages = 0;
  std::uint16_t flags = 0;
  std::uint16_t order = 0;
};

// struct memfd_luo_ser.
struct MemfdRecord {
  std::uint64_t pos = 0;
  std::uint64_t size = 0;
  std::uint32_t seals = 0;
  std::uint32_t flags = 0;  // must be 0
  std::uint64_t nr_folios = 0;
  Vmalloc folios;  // all zero when nr_folios is 0
};

// struct memfd_luo_folio_ser: page frame number in bits 0..51, flags above; pfn 0 is an empty slot.
struct FolioRecord {
  std::uint64_t word = 0;
  std::uint64_t index = 0;  // page of the file
};

inline constexpr unsigned kFolioFlagsShift = 52;
inline constexpr std::uint64_t kFolioPfnMask = (std::uint64_t{1} << kFolioFlagsShift) - 1;
inline constexpr std::uint64_t kFolioDirty = std::uint64_t{1} << 52;
inline constexpr std::uint64_t kFolioUptodate = std::uint64_t{1} << 53;

static_assert(sizeof(Vmalloc) == 16);
static_assert(sizeof(MemfdRecord) == 48);
static_assert(sizeof(FolioRecord) == 16);
static_assert(std::has_unique_object_representations_v<MemfdRecord>);

}  // namespace baton::luo::abi
