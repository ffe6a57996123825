// memfd: shmem files without a name, and their preservation, generation memfd-v2 [linux mm/shmem.c,
// mm/memfd.c, mm/memfd_luo.c, v7.2].
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "model/linux/base/file.h"
#include "model/linux/base/process.h"
#include "model/luo/luo.h"

namespace baton::luo {

inline constexpr std::uint32_t kSealSeal = 0x1;
inline constexpr std::uint32_t kSealShrink = 0x2;
inline constexpr std::uint32_t kSealGrow = 0x4;
inline constexpr std::uint32_t kSealWrite = 0x8;
inline constexpr std::uint32_t kSealFutureWrite = 0x10;
inline constexpr std::uint32_t kSealExec = 0x20;

class Memfd final : public linux::File {
 public:
  // ... file operations of linux::File ...
  ~Memfd() override;
  std::string name() const override;
  Co<linux::Result<std::size_t>> read(linux::Process& process, std::span<std::byte> to) override;
  Co<linux::Result<std::size_t>> write(linux::Process& process,
                                       std::span<const std::byte> from) override;
  Co<linux::Result<std::uint64_t>> seek(std::int64_t offset, int whence) override;
  Co<linux::Result<>> truncate(std::uint64_t size) override;
  linux::Result<> map(std::uint64_t offset, std::uint64_t length, bool writable) override;
  linux::Result<linux::MappedPage> fault(std::uint64_t offset, bool write) override;
  Co<> release() override;

  std::uint64_t size() const;
  std::uint32_t seals() const;
  linux::Result<> add_seals(std::uint32_t seals);  // EPERM, EINVAL
  // memfd_pin_folios: the page at an offset, allocated if it was a hole. EINVAL, ENOMEM.
  linux::Result<PhysAddr> pin(std::uint64_t offset);

 private:
  friend class MemfdSubsystem;
  class State;
  std::unique_ptr<State> state_;
};

// memfd_create and the LUO handler "memfd-v2".
class MemfdSubsystem final : public FileHandler {
 public:
  MemfdSubsystem(linux::KernelServices& services, kho::Kho& kho, Luo& luo);
  ~MemfdSubsystem() override;

  void init();  // registers the handler
  // memfd_create(name, MFD_ALLOW_SEALING).
  linux::Result<linux::File*> create(std::string_view name);
  Memfd* from_file(linux::File& file);

  std::string_view compatible() const override;
  bool can_preserve(linux::File& file) override;
  const void* id(linux::File& file) override;
  Co<linux::Result<>> preserve(FileArgs& args) override;
  Co<> unpreserve(FileArgs& args) override;
  Co<linux::Result<>> freeze(FileArgs& args) override;
  Co<linux::Result<linux::File*>> retrieve(FileArgs& args) override;
  Co<> finish(FileArgs& args) override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace baton::luo
