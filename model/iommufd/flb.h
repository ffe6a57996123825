// FLB "baton-iommufd-v1": where the contents of each preserved iommufd lie. No upstream series.
//
// One page: 0 u64 version = 1; 8 u64 number of entries; 16 entries of 24 bytes: 0 u64 address of
// the iommufd's record (LUO's data for the file); 8 u64 address of its contents; 16 u64 their
// bytes. An entry of a record address 0 is empty.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/kho/kho.h"
#include "model/luo/file_handler.h"

namespace baton::iommufd {

class ContentsFlb final : public luo::Flb {
 public:
  struct Entry {
    PhysAddr record;
    PhysAddr contents;
    std::uint64_t bytes = 0;
  };

  ContentsFlb(linux::KernelServices& services, kho::Kho& kho) : services_(services), kho_(kho) {}

  // Old kernel. ENOENT (not preserved), ENOSPC.
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
  linux::KernelServices& services_;
  kho::Kho& kho_;
  PhysAddr outgoing_;
  PhysAddr incoming_page_;
  std::vector<Entry> incoming_;
};

}  // namespace baton::iommufd
