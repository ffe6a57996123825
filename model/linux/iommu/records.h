// The bytes of FLB "iommu-liveupdate": what the IOMMU core of one kernel leaves the next [posted
// series iommu v5: include/linux/kho/abi/iommu.h]. All structs are packed and native endian.
//
//   top record, 32 bytes: 0 version = 1; 8, 16, 24 first page of units, domains, devices
//   array page: 0 next page; 8 number of records; 16 records, packed
//   every record: 0 u32 ref_count; 4 u32 flags (DELETED 1, INCOMING 2)
//
// Records are only appended: a deleted one keeps its place, and a page gets a successor only when
// it is full. Pointers between records are physical addresses inside array pages.
//
// AMBIGUOUS: the posted text shows that device records hold dma_owner_token and restored, not
// where; taken: 40 and 64, 72 bytes in all. The version field and the compatible string are those
// of the newest C file. top_level is 0-based, vasz is log2; sign_extend is 1 for first stage only.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/kho/kho.h"
#include "model/linux/base/kernel_services.h"

namespace baton::linux::iommu {

inline constexpr std::uint64_t kFlbVersion = 1;
inline constexpr std::uint64_t kTopRecordBytes = 32;
inline constexpr std::uint64_t kArrayHeaderBytes = 16;
inline constexpr std::uint32_t kRecordDeleted = 1;
inline constexpr std::uint32_t kRecordIncoming = 2;

struct RecordHeader {
  std::uint32_t ref_count = 1;
  std::uint32_t flags = 0;
};

// struct iommu_domain_ser.
struct DomainRecord {
  static constexpr std::size_t kBytes = 37;
  RecordHeader header;
  PhysAddr top_table;           // @8
  std::uint64_t top_level = 0;  // @16
  std::uint32_t vasz = 0;       // @24
  bool sign_extend = false;     // @28, bit 0
  std::uint64_t restored = 0;   // @29, a pointer of the new kernel, never written by baton

  std::array<std::byte, kBytes> encode() const;
  static DomainRecord decode(std::span<const std::byte> bytes);
};

// struct iommu_device_ser.
struct DeviceRecord {
  static constexpr std::size_t kBytes = 72;
  RecordHeader header;
  Sbdf address;                     // @8 u32 bdf, @12 u32 segment
  std::uint64_t attachment_id = 0;  // @16
  PhysAddr domain_record;           // @24
  PhysAddr unit_record;             // @32
  std::uint64_t owner_token = 0;    // @40
  PhysAddr pasid_table;             // @48, 0 on units in legacy mode
  std::uint64_t max_pasid = 0;      // @56; @64 restored, used by the new kernel alone

  std::array<std::byte, kBytes> encode() const;
  static DeviceRecord decode(std::span<const std::byte> bytes);
};

// struct iommu_hw_ser.
struct UnitRecord {
  static constexpr std::size_t kBytes = 112;
  static constexpr std::uint64_t kTypeIntel = 1;
  RecordHeader header;
  std::uint64_t token = 0;                        // @8, the register base
  std::uint64_t type = kTypeIntel;                // @16; @24 restored, 7 bytes of padding
  PhysAddr registers;                             // @32
  PhysAddr root_table;                            // @40
  std::array<std::uint64_t, 8> context_tables{};  // @48

  std::array<std::byte, kBytes> encode() const;
  static UnitRecord decode(std::span<const std::byte> bytes);
};

// One outgoing chain of array pages.
class RecordArray {
 public:
  RecordArray(KernelServices& services, kho::Kho& kho, std::size_t record_bytes)
      : services_(services), kho_(kho), record_bytes_(record_bytes) {}

  // The first page; `preserve` is false for the defect that forgets it. ENOMEM.
  Result<> create(bool preserve);
  PhysAddr head() const { return pages_.empty() ? PhysAddr{} : pages_.front().address; }
  // Address of the new record. ENOMEM.
  Result<PhysAddr> append(std::span<const std::byte> record);
  void destroy();

 private:
  struct ArrayPage {
    PhysAddr address;
    bool preserved;
  };
  Result<> add_page(bool preserve);

  KernelServices& services_;
  kho::Kho& kho_;
  std::size_t record_bytes_;
  std::vector<ArrayPage> pages_;
};

// Restores an incoming chain: the pages, to be freed at finish, or what is wrong with it: a page is
// missing, a count impossible. Every live record is marked INCOMING and shown.
std::expected<std::vector<PhysAddr>, std::string> restore_chain(
    KernelServices& services, kho::Kho& kho, PhysAddr head, std::size_t record_bytes,
    const std::function<void(PhysAddr record, std::span<const std::byte> bytes)>& visit);

}  // namespace baton::linux::iommu
