// What is behind a memfd: inode and page cache. Private to this folder.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>

#include "model/linux/base/kernel_services.h"
#include "model/linux/base/observations.h"
#include "model/luo/memfd/memfd.h"

namespace baton::luo {

class Memfd::State {
 public:
  State(linux::KernelServices& kernel, std::string file_name, std::uint64_t inode_number)
      : services(kernel), name(std::move(file_name)), inode(inode_number) {}

  std::uint64_t page_count() const { return (size + sim::kPageSize - 1) / sim::kPageSize; }

  // The page at this index, PhysAddr() for a hole.
  PhysAddr find(std::uint64_t index) const;
  // As find, but a hole is filled with zeroes. ENOMEM.
  linux::Result<PhysAddr> get(std::uint64_t index);
  // Enters a page of the caller's: EEXIST.
  linux::Result<> insert(std::uint64_t index, PhysAddr page);
  // Drops all pages from this index on.
  void drop_from(std::uint64_t index);

  linux::KernelServices& services;
  std::string name;
  std::uint64_t inode;
  std::uint64_t size = 0;
  std::uint64_t pos = 0;
  std::uint32_t seals = 0;
  bool frozen = false;  // SHMEM_F_MAPPING_FROZEN: preserved
  unsigned writable_areas = 0;

 private:
  static constexpr unsigned kChunkShift = 9;
  static constexpr std::uint64_t kChunkMask = (1U << kChunkShift) - 1;
  using Chunk = std::array<PhysAddr, std::size_t{1} << kChunkShift>;

  PhysAddr& slot(std::uint64_t index);

  std::map<std::uint64_t, std::unique_ptr<Chunk>> chunks_;
};

}  // namespace baton::luo
