// FLB "baton-iommufd-v1": where the contents of each preserved iommufd lie. No upstream series.
//
// A table as kho/record_table.h has it, version 2 (version 1 was one page of entries); record, 24
// bytes, 170 in a block:
//    0  u64  address of the iommufd's record (LUO's data for the file); 0: free, to be skipped
//    8  u64  address of its contents
//   16  u64  their bytes
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "model/kho/record_table.h"
#include "model/luo/file_handler.h"

namespace baton::iommufd {

struct ContentsEntry {
  std::uint64_t record = 0;
  std::uint64_t contents = 0;
  std::uint64_t bytes = 0;

  bool in_use() const { return record != 0; }
};
static_assert(sizeof(ContentsEntry) == 24);

class ContentsFlb final : public luo::Flb {
 public:
  using Entry = ContentsEntry;

  ContentsFlb(linux::KernelServices& services, kho::Kho& kho);

  // Old kernel. ENOENT (not preserved), ENOMEM, ENOSPC (10000 blocks).
  linux::Result<> add(const Entry& entry);
  void remove(PhysAddr record);

  // New kernel: each entry can be taken once.
  std::optional<Entry> take(PhysAddr record);

  std::string_view compatible() const override { return "baton-iommufd-v1"; }
  Co<linux::Result<std::uint64_t>> preserve() override;
  Co<> unpreserve(std::uint64_t data) override;
  Co<linux::Result<>> retrieve(std::uint64_t data) override;
  Co<> finish() override;

 private:
  kho::RecordTable<Entry> table_;
  std::map<std::uint64_t, Entry> incoming_;  // by record
};

}  // namespace baton::iommufd
