// Preservation of memfds [linux mm/memfd_luo.c, v7.2].
#include <algorithm>
#include <utility>

#include "model/kho/command_line.h"
#include "model/luo/memfd/memfd.h"
#include "model/luo/memfd/memfd_abi.h"
#include "model/luo/memfd/memfd_state.h"

namespace baton::luo {

using linux::Defect;
using linux::Errno;
using linux::fail;
using linux::LedgerEvent;
using linux::Result;
using sim::kPageSize;

namespace {

constexpr std::uint32_t kKnownSeals =
    kSealSeal | kSealShrink | kSealGrow | kSealWrite | kSealFutureWrite | kSealExec;
constexpr std::size_t kNameMax = 249;  // MFD_NAME_MAX_LEN
constexpr std::uint64_t kPagesMax = UINT32_MAX;
constexpr std::uint64_t kRecordsPerPage = kPageSize / sizeof(abi::FolioRecord);

// What each folio costs: to pin, to mark in the tree and to record; to restore and to insert. No
// figure is published. Assumed; the mutex and the five steps of the tree are in both.
constexpr sim::Duration kPreservePerFolio = sim::Duration::nanoseconds(150);
constexpr sim::Duration kRestorePerFolio = sim::Duration::nanoseconds(150);

// transparent_hugepage_shmem=; what it cannot read it ignores, as the kernel does.
ShmemHuge shmem_huge(std::string_view command_line) {
  const auto value = kho::parameter(command_line, "transparent_hugepage_shmem").value_or("never");
  if (value == "always" || value == "force") return ShmemHuge::kAlways;
  return value == "within_size" ? ShmemHuge::kWithinSize : ShmemHuge::kNever;
}

template <class T>
std::span<const std::byte> bytes(const T& value) {
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}

}  // namespace

// What this kernel did for one preserved memfd: all that unpreserve has to undo.
struct MemfdSubsystem::Preserved {
  PhysAddr record;
  // Of the folios in the order of the file, which stays as it is while it is frozen.
  std::uint64_t pinned = 0;
  std::uint64_t marked = 0;
  PhysAddr unmarked;  // by a defect
  // Pages of the file that were holes, as runs: first, and one past the last.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> filled;
  std::vector<PhysAddr> array;
  std::optional<kho::VmallocDescriptor> vmalloc;
};

// A folio array of the previous kernel, restored.
struct MemfdSubsystem::Incoming {
  std::vector<PhysAddr> array;
  std::uint64_t nr_folios = 0;
};

MemfdSubsystem::MemfdSubsystem(linux::KernelServices& services, kho::Kho& kho, Luo& luo)
    : services_(services), kho_(kho), luo_(luo) {}

MemfdSubsystem::~MemfdSubsystem() = default;

void MemfdSubsystem::init(std::string_view command_line) {
  huge_ = shmem_huge(command_line);
  if (services_.config().pieces.memfd == linux::MemfdVersion::kNone) {
    return;
  }
  const Result<> registered = luo_.register_handler(*this);
  // Without LUO there is nothing to register with, and memfds work as ever.
  if (!registered && registered.error() != Errno::kOpNotSupp) {
    services_.print(sim::LogLevel::kError, "Could not register luo filesystem handler: {}",
                    linux::name(registered.error()));
  }
}

void MemfdSubsystem::ledger(LedgerEvent event, const char* what, sim::PhysRange pages,
                            std::uint64_t inode) {
  auto& topic = services_.port().simulation().topic<linux::LedgerEntry>();
  if (topic.active()) {
    const bool file = pages.length == 0;
    topic.publish({services_.generation(), event,
                   file ? linux::LedgerKind::kFile : linux::LedgerKind::kPages, what, pages,
                   inode});
  }
}

std::unique_ptr<Memfd> MemfdSubsystem::make(std::string_view name, bool hugetlb) {
  auto state =
      std::make_unique<Memfd::State>(services_, std::string(name), next_inode_++, huge_, hugetlb);
  ledger(LedgerEvent::kCreated, "memfd", {}, state->inode);
  return std::unique_ptr<Memfd>(new Memfd(std::move(state)));
}

Result<linux::File*> MemfdSubsystem::create(std::string_view name, std::uint32_t flags) {
  if (name.size() > kNameMax || (flags & ~(kMfdCloexec | kMfdAllowSealing | kMfdHugetlb)) != 0) {
    return fail(Errno::kInval);
  }
  std::unique_ptr<Memfd> memfd = make(name, (flags & kMfdHugetlb) != 0);
  memfd->state_->seals = (flags & kMfdAllowSealing) != 0 ? 0 : kSealSeal;
  return &services_.files().add(std::move(memfd));
}

Memfd* MemfdSubsystem::from_file(linux::File& file) { return dynamic_cast<Memfd*>(&file); }

std::string_view MemfdSubsystem::compatible() const { return abi::kMemfdCompatible; }

// A file of shmem whose inode has no name.
bool MemfdSubsystem::can_preserve(linux::File& file) {
  const Memfd* memfd = from_file(file);
  return memfd != nullptr && !memfd->state_->hugetlb;
}

const void* MemfdSubsystem::id(linux::File& file) { return from_file(file)->state_.get(); }

// Old kernel.

// memfd_pin_folios: every hole is filled, every folio gets one more reference.
Result<> MemfdSubsystem::pin_folios(Memfd::State& memfd, Preserved& preserved) {
  if (memfd.page_count() > kPagesMax) {
    return fail(Errno::kFBig);
  }
  for (auto hole = memfd.next_hole(0); hole; hole = memfd.next_hole(*hole)) {
    if (const Result<PhysAddr> page = memfd.get(*hole); !page) {
      return fail(page.error());
    }
    const std::uint64_t next = memfd.next_hole(*hole).value_or(memfd.page_count());
    if (!preserved.filled.empty() && preserved.filled.back().second == *hole) {
      preserved.filled.back().second = next;
    } else {
      preserved.filled.emplace_back(*hole, next);
    }
  }
  memfd.each_folio([&](const Memfd::State::Folio& folio) {
    services_.pages().get(folio.start);
    ++preserved.pinned;
    return true;
  });
  return {};
}

// Dirty, so that no reclaim drops it, and up to date, so that nobody clears it later.
std::uint64_t MemfdSubsystem::flags_of(const Preserved& preserved, std::uint64_t index) const {
  const auto& filled = preserved.filled;
  const auto after =
      std::ranges::upper_bound(filled, index, {}, [](const auto& run) { return run.first; });
  const bool was_hole = after != filled.begin() && index < std::prev(after)->second;
  const bool stale = was_hole && services_.has(Defect::kMemfdStaleFolios);
  const bool clean = services_.has(Defect::kMemfdCleanFolios);
  return (clean ? 0 : abi::kFolioDirty) | (stale ? 0 : abi::kFolioUptodate);
}

// memfd_luo_preserve_folios.
Result<> MemfdSubsystem::preserve_folios(Memfd::State& memfd, Preserved& preserved) {
  if (const Result<> pinned = pin_folios(memfd, preserved); !pinned) {
    return pinned;
  }
  const std::uint64_t middle =
      services_.has(Defect::kMemfdSkipFolio) ? preserved.pinned / 2 : UINT64_MAX;
  Result<> marked;
  memfd.each_folio([&](const Memfd::State::Folio& folio) {
    if (preserved.marked == middle) {
      preserved.unmarked = folio.start;
    } else {
      const bool small = services_.has(Defect::kMemfdLargeAsSmall);
      marked = kho_.preserve_folio(folio.start, small ? 0 : folio.order);
    }
    preserved.marked += marked ? 1U : 0U;
    return marked.has_value();
  });
  return marked ? preserve_array(memfd, preserved) : marked;
}

Result<> MemfdSubsystem::preserve_array(Memfd::State& memfd, Preserved& preserved) {
  Result<> done;
  std::uint64_t number = 0;
  memfd.each_folio([&](const Memfd::State::Folio& folio) {
    if (number % kRecordsPerPage == 0) {
      const Result<PhysAddr> page = services_.pages().allocate(0, "memfd folio array");
      if (!page) {
        done = fail(page.error());
        return false;
      }
      preserved.array.push_back(*page);
      ledger(LedgerEvent::kCreated, "memfd folio array", {*page, kPageSize}, memfd.inode);
    }
    const abi::FolioRecord record{folio.start.page_number() | flags_of(preserved, folio.index),
                                  folio.index};
    const std::uint64_t offset = number++ % kRecordsPerPage * sizeof(record);
    services_.port().ram().store(preserved.array.back() + offset, record);
    return true;
  });
  if (!done || preserved.array.empty()) {
    return done;
  }
  const Result<kho::VmallocDescriptor> vmalloc = kho_.preserve_vmalloc(preserved.array);
  if (!vmalloc) {
    return fail(vmalloc.error());
  }
  preserved.vmalloc = *vmalloc;
  const bool forget = services_.has(Defect::kMemfdSkipFolioArray);
  for (std::size_t i = 0; forget && i < preserved.array.size(); ++i) {
    kho_.unpreserve_pages(preserved.array[i], 1);
  }
  return {};
}

Co<Result<>> MemfdSubsystem::preserve(FileArgs& args) {
  Memfd::State& memfd = *from_file(*args.file)->state_;
  memfd.frozen = true;
  Preserved preserved;
  const Result<PhysAddr> record = kho_.alloc_preserve(sizeof(abi::MemfdRecord), "memfd record");
  if (!record) {
    memfd.frozen = false;
    co_return fail(record.error());
  }
  preserved.record = *record;
  ledger(LedgerEvent::kCreated, "memfd record", {*record, kPageSize}, memfd.inode);
  Result<> done = (memfd.seals & ~kKnownSeals) != 0 ? fail(Errno::kOpNotSupp) : Result<>();
  if (done) {
    done = preserve_folios(memfd, preserved);
  }
  if (!done) {
    undo(memfd, preserved);
    co_return done;
  }
  abi::MemfdRecord contents{memfd.pos, memfd.size, memfd.seals, 0, memfd.folio_count(), {}};
  if (preserved.vmalloc) {
    contents.folios = {preserved.vmalloc->first_chunk.value(), preserved.vmalloc->total_pages,
                       preserved.vmalloc->flags, preserved.vmalloc->order};
  }
  services_.port().ram().write(*record, bytes(contents));
  if (services_.has(Defect::kMemfdSkipRecord)) kho_.unpreserve_folio(*record, 0);
  ledger(LedgerEvent::kPreserved, "memfd", {}, memfd.inode);
  args.serialized_data = record->value();
  args.private_data = std::move(preserved);
  co_await services_.spend(kPreservePerFolio * static_cast<std::int64_t>(contents.nr_folios));
  co_return Result<>();
}

void MemfdSubsystem::undo(Memfd::State& memfd, Preserved& preserved) {
  if (preserved.vmalloc) {
    kho_.unpreserve_vmalloc(*preserved.vmalloc);
  }
  for (const PhysAddr page : preserved.array) {
    services_.pages().free(page);
  }
  std::uint64_t number = 0;
  memfd.each_folio([&](const Memfd::State::Folio& folio) {
    if (number < preserved.marked && folio.start != preserved.unmarked) {
      kho_.unpreserve_folio(folio.start, folio.order);
    }
    if (number < preserved.pinned) {
      services_.pages().free(folio.start);
    }
    return ++number < preserved.pinned;
  });
  kho_.unpreserve_free(preserved.record);
  memfd.frozen = false;
}

Co<> MemfdSubsystem::unpreserve(FileArgs& args) {
  Memfd::State& memfd = *from_file(*args.file)->state_;
  auto preserved = std::any_cast<Preserved>(std::exchange(args.private_data, {}));
  undo(memfd, preserved);
  ledger(LedgerEvent::kUnpreserved, "memfd", {}, memfd.inode);
  co_return;
}

// Only the position may have changed since preserve.
Co<Result<>> MemfdSubsystem::freeze(FileArgs& args) {
  const Memfd::State& memfd = *from_file(*args.file)->state_;
  services_.port().ram().store(PhysAddr(args.serialized_data), memfd.pos);
  co_return Result<>();
}

// New kernel. Everything below comes from memory that another kernel wrote.

std::optional<MemfdSubsystem::Incoming> MemfdSubsystem::restore_array(PhysAddr record) {
  abi::MemfdRecord contents;
  services_.port().ram().read(record, std::as_writable_bytes(std::span(&contents, 1)));
  const kho::VmallocDescriptor vmalloc{PhysAddr(contents.folios.first_chunk),
                                       contents.folios.total_pages, contents.folios.flags,
                                       contents.folios.order};
  if (contents.nr_folios > kPagesMax ||
      (contents.nr_folios + kRecordsPerPage - 1) / kRecordsPerPage > vmalloc.total_pages) {
    return std::nullopt;
  }
  std::optional<std::vector<PhysAddr>> array = kho_.restore_vmalloc(vmalloc);
  if (!array) {
    return std::nullopt;
  }
  return Incoming{std::move(*array), contents.nr_folios};
}

// One folio into the file, in the size that its kernel gave it.
Result<> MemfdSubsystem::restore_folio(Memfd::State& memfd, std::uint64_t word,
                                       std::uint64_t index) {
  const PhysAddr folio((word & abi::kFolioPfnMask) << linux::kPageShift);
  const std::optional<unsigned> order = kho_.restore_folio(folio);
  if (!order) {
    return fail(Errno::kIo);
  }
  services_.pages().page(folio).owner = "memfd folio";
  // AMBIGUOUS: a clean folio of shmem is dropped when memory runs short; here that is at once.
  if ((word & abi::kFolioDirty) == 0) {
    services_.pages().free(folio);
    return {};
  }
  // AMBIGUOUS: Linux does not compare the index with the size; a page behind the end of the file
  // could never be reached. It is refused here, and so is an index that a folio of this size cannot
  // have.
  const bool misplaced = index >= memfd.page_count() || index % (std::uint64_t{1} << *order) != 0;
  const Result<> entered = misplaced ? fail(Errno::kInval) : memfd.insert(index, folio, *order);
  if (!entered) {
    services_.pages().free(folio);
    return entered;
  }
  if ((word & abi::kFolioUptodate) == 0) {
    services_.port().ram().zero_pages({folio, kPageSize << *order});
  }
  return {};
}

Result<> MemfdSubsystem::restore_folios(Memfd::State& memfd, const Incoming& incoming) {
  for (std::uint64_t i = 0; i < incoming.nr_folios; ++i) {
    const PhysAddr place =
        incoming.array[i / kRecordsPerPage] + i % kRecordsPerPage * sizeof(abi::FolioRecord);
    const auto record = services_.port().ram().load<abi::FolioRecord>(place);
    if ((record.word & abi::kFolioPfnMask) == 0) {
      continue;
    }
    if (const Result<> entered = restore_folio(memfd, record.word, record.index); !entered) {
      discard_folios(incoming, i + 1);
      return entered;
    }
  }
  return {};
}

void MemfdSubsystem::discard_folios(const Incoming& incoming, std::uint64_t from) {
  for (std::uint64_t i = from; i < incoming.nr_folios; ++i) {
    const PhysAddr place =
        incoming.array[i / kRecordsPerPage] + i % kRecordsPerPage * sizeof(abi::FolioRecord);
    const auto record = services_.port().ram().load<abi::FolioRecord>(place);
    const PhysAddr folio((record.word & abi::kFolioPfnMask) << linux::kPageShift);
    if (folio != PhysAddr() && kho_.restore_folio(folio)) {
      services_.pages().free(folio);
    }
  }
}

Result<std::unique_ptr<Memfd>> MemfdSubsystem::restore(PhysAddr record) {
  const auto contents = services_.port().ram().load<abi::MemfdRecord>(record);
  if ((contents.seals & ~kKnownSeals) != 0 || contents.flags != 0) {
    return fail(Errno::kOpNotSupp);
  }
  std::unique_ptr<Memfd> file = make("", false);
  Memfd::State& memfd = *file->state_;
  memfd.seals = contents.seals;
  // AMBIGUOUS: Linux takes size and position as they are; negative ones are refused here.
  if (contents.size > INT64_MAX || contents.pos > INT64_MAX) {
    return fail(Errno::kInval);
  }
  memfd.pos = contents.pos;
  memfd.size = contents.size;
  if (contents.nr_folios == 0) {
    return file;
  }
  const std::optional<Incoming> incoming = restore_array(record);
  if (!incoming) {
    return fail(Errno::kInval);
  }
  const Result<> restored = restore_folios(memfd, *incoming);
  for (const PhysAddr page : incoming->array) {
    services_.pages().free(page);
  }
  if (!restored && !services_.has(Defect::kMemfdIgnoreLateFailure)) {
    memfd.drop_from(0);
    return fail(restored.error());
  }
  return file;
}

Co<Result<linux::File*>> MemfdSubsystem::retrieve(FileArgs& args) {
  const PhysAddr record(args.serialized_data);
  if (record.page_offset() != 0 || !services_.port().ram().contains(record, kPageSize)) {
    co_return fail(Errno::kInval);
  }
  Result<std::unique_ptr<Memfd>> file = restore(record);
  kho_.restore_free(record);
  if (!file) {
    services_.print(sim::LogLevel::kError, "memfd: cannot restore: {}", linux::name(file.error()));
    co_return fail(file.error());
  }
  ledger(LedgerEvent::kRestored, "memfd", {}, (*file)->inode());
  co_await services_.spend(kRestorePerFolio * static_cast<std::int64_t>((*file)->folios()));
  co_return &services_.files().add(std::move(*file));
}

// Nobody came for it: what it holds becomes free. A retrieve that was tried has consumed the state.
Co<> MemfdSubsystem::finish(FileArgs& args) {
  if (args.retrieve_status != 0) {
    if (args.retrieve_status > 0) {
      ledger(LedgerEvent::kFinished, "memfd", {}, from_file(*args.file)->inode());
    }
    co_return;
  }
  const PhysAddr record(args.serialized_data);
  if (record.page_offset() != 0 || !services_.port().ram().contains(record, kPageSize)) {
    co_return;
  }
  const auto contents = services_.port().ram().load<abi::MemfdRecord>(record);
  const std::optional<Incoming> incoming =
      contents.nr_folios == 0 ? std::nullopt : restore_array(record);
  if (incoming) {
    discard_folios(*incoming, 0);
    for (const PhysAddr page : incoming->array) {
      services_.pages().free(page);
    }
  }
  kho_.restore_free(record);
}

}  // namespace baton::luo
