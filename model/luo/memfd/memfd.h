// memfd: shmem files without a name, and their preservation, generation memfd-v2 [linux mm/shmem.c,
// mm/memfd.c, mm/memfd_luo.c, v7.2]. The bytes that cross a kexec are in memfd_abi.h.
//
// In the ledger a memfd is a kFile "memfd" whose id is the inode number, and every page made for it
// ("memfd folio", "memfd folio array", "memfd record") is a kCreated entry with that id, so that a
// checker knows what has to survive with it. Preservation of pages is told by KHO.
//
// Folios are single pages or, by transparent_hugepage_shmem= of the kernel's command line, 2 MiB:
// never (default) or deny, within_size, always or force. advise is never: nobody here advises.
//
// Not modelled: folios of other orders, a pool of HugeTLB pages (a memfd of MFD_HUGETLB stays
// empty), swap, memory control groups, fallocate, SEEK_DATA and SEEK_HOLE, reopening through /proc
// (one open file is one inode).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "model/linux/base/file.h"
#include "model/linux/base/observations.h"
#include "model/linux/base/process.h"
#include "model/luo/luo.h"

namespace baton::luo {

inline constexpr std::uint32_t kSealSeal = 0x1;
inline constexpr std::uint32_t kSealShrink = 0x2;
inline constexpr std::uint32_t kSealGrow = 0x4;
inline constexpr std::uint32_t kSealWrite = 0x8;
inline constexpr std::uint32_t kSealFutureWrite = 0x10;
inline constexpr std::uint32_t kSealExec = 0x20;

// Flags of memfd_create.
inline constexpr std::uint32_t kMfdCloexec = 0x1;
inline constexpr std::uint32_t kMfdAllowSealing = 0x2;
inline constexpr std::uint32_t kMfdHugetlb = 0x4;

// When shmem takes a huge page [linux Documentation/admin-guide/mm/transhuge.rst].
enum class ShmemHuge : std::uint8_t { kNever, kWithinSize, kAlways };

class Memfd final : public linux::File {
 public:
  ~Memfd() override;
  std::string name() const override;
  Co<linux::Result<std::size_t>> read(linux::Process& process, std::span<std::byte> to) override;
  Co<linux::Result<std::size_t>> write(linux::Process& process,
                                       std::span<const std::byte> from) override;
  Co<linux::Result<std::size_t>> pread(linux::Process& process, std::span<std::byte> to,
                                       std::uint64_t offset) override;
  Co<linux::Result<std::size_t>> pwrite(linux::Process& process, std::span<const std::byte> from,
                                        std::uint64_t offset) override;
  Co<linux::Result<std::uint64_t>> seek(std::int64_t offset, int whence) override;
  Co<linux::Result<>> truncate(std::uint64_t size) override;
  linux::Result<> map(std::uint64_t offset, std::uint64_t length, bool writable) override;
  linux::Result<linux::MappedPage> fault(std::uint64_t offset, bool write) override;
  void area_added(bool writable) override;
  void area_removed(bool writable) override;
  Co<> release() override;

  std::uint64_t size() const;
  std::uint32_t seals() const;
  std::uint64_t inode() const;
  std::uint64_t folios() const;                    // in memory
  linux::Result<> add_seals(std::uint32_t seals);  // EINVAL, EPERM, EBUSY
  // memfd_pin_folios: the page at an offset, allocated if it was a hole, with one more reference,
  // which PageAllocator::free() drops. EINVAL outside of the file, ENOMEM.
  linux::Result<PhysAddr> pin(std::uint64_t offset);
  // The same of a whole folio, with one reference: its part from the offset on.
  linux::Result<sim::PhysRange> pin_folio(std::uint64_t offset);

 private:
  friend class MemfdSubsystem;
  class State;
  explicit Memfd(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// memfd_create and the LUO handler "memfd-v2".
class MemfdSubsystem final : public FileHandler {
 public:
  MemfdSubsystem(linux::KernelServices& services, kho::Kho& kho, Luo& luo);
  ~MemfdSubsystem() override;

  // Registers the handler; reads transparent_hugepage_shmem=.
  void init(std::string_view command_line = {});
  // memfd_create. EINVAL for a name of more than 249 characters or a flag not listed above.
  linux::Result<linux::File*> create(std::string_view name,
                                     std::uint32_t flags = kMfdCloexec | kMfdAllowSealing);
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
  struct Preserved;
  struct Incoming;

  std::unique_ptr<Memfd> make(std::string_view name, bool hugetlb);
  std::uint64_t flags_of(const Preserved& preserved, std::uint64_t index) const;
  linux::Result<> pin_folios(Memfd::State& memfd, Preserved& preserved);
  linux::Result<> preserve_folios(Memfd::State& memfd, Preserved& preserved);
  linux::Result<> preserve_array(Memfd::State& memfd, Preserved& preserved);
  void undo(Memfd::State& memfd, Preserved& preserved);
  linux::Result<> restore_folios(Memfd::State& memfd, const Incoming& incoming);
  linux::Result<> restore_folio(Memfd::State& memfd, std::uint64_t word, std::uint64_t index);
  linux::Result<std::unique_ptr<Memfd>> restore(PhysAddr record);
  std::optional<Incoming> restore_array(PhysAddr record);
  void discard_folios(const Incoming& incoming, std::uint64_t from);
  void ledger(linux::LedgerEvent event, const char* what, sim::PhysRange pages,
              std::uint64_t inode);

  linux::KernelServices& services_;
  kho::Kho& kho_;
  Luo& luo_;
  std::uint64_t next_inode_ = 1;
  ShmemHuge huge_ = ShmemHuge::kNever;
};

}  // namespace baton::luo
