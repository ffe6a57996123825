// Preservation of memfds [linux mm/memfd_luo.c, v7.2].
#include <algorithm>
#include <utility>

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

template <class T>
std::span<const std::byte> bytes(const T& value) {
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}

}  // namespace

// What this kernel did for one preserved memfd: all that unpreserve has to undo.
struct MemfdSubsystem::Preserved {
  PhysAddr record;
  std::vector<PhysAddr> pinned;
  std::vector<PhysAddr> folios;  // with a KHO mark
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

void MemfdSubsystem::init() {
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

std::unique_ptr<Memfd> MemfdSubsystem::make(std::string_view name) {
  auto state = std::make_unique<Memfd::State>(services_, std::string(name), next_inode_++);
  ledger(LedgerEvent::kCreated, "memfd", {}, state->inode);
  return std::unique_ptr<Memfd>(new Memfd(std::move(state)));
}

Result<linux::File*> MemfdSubsystem::create(std::string_view name) {
  if (name.size() > kNameMax) {
    return fail(Errno::kInval);
  }
  return &services_.files().add(make(name));
}

Memfd* MemfdSubsystem::from_file(linux::File& file) { return dynamic_cast<Memfd*>(&file); }

std::string_view MemfdSubsystem::compatible() const { return abi::kMemfdCompatible; }

bool MemfdSubsystem::can_preserve(linux::File& file) { return from_file(file) != nullptr; }

const void* MemfdSubsystem::id(linux::File& file) { return from_file(file)->state_.get(); }

// Old kernel.

// memfd_luo_preserve_folios: every hole is filled, every folio pinned and marked.
Result<> MemfdSubsystem::preserve_folios(Memfd::State& memfd, Preserved& preserved) {
  const std::uint64_t count = memfd.page_count();
  if (count > kPagesMax) {
    return fail(Errno::kFBig);
  }
  for (std::uint64_t index = 0; index < count; ++index) {
    const Result<PhysAddr> page = memfd.get(index);
    if (!page) {
      return fail(page.error());
    }
    services_.pages().get(*page);
    preserved.pinned.push_back(*page);
  }
  for (std::uint64_t index = 0; index < count; ++index) {
    const PhysAddr page = preserved.pinned[index];
    if (index == count / 2 && services_.has(Defect::kMemfdSkipFolio)) continue;
    if (const Result<> marked = kho_.preserve_folio(page, 0); !marked) {
      return marked;
    }
    preserved.folios.push_back(page);
  }
  return preserve_array(preserved, memfd.inode, preserved.pinned);
}

Result<> MemfdSubsystem::preserve_array(Preserved& preserved, std::uint64_t inode,
                                        std::span<const PhysAddr> folios) {
  for (std::uint64_t index = 0; index < folios.size(); ++index) {
    if (index % kRecordsPerPage == 0) {
      const Result<PhysAddr> page = services_.pages().allocate(0, "memfd folio array");
      if (!page) {
        return fail(page.error());
      }
      preserved.array.push_back(*page);
      ledger(LedgerEvent::kCreated, "memfd folio array", {*page, kPageSize}, inode);
    }
    const abi::FolioRecord record{
        folios[index].page_number() | abi::kFolioDirty | abi::kFolioUptodate, index};
    const std::uint64_t offset = index % kRecordsPerPage * sizeof(record);
    services_.port().ram().write(preserved.array.back() + offset, bytes(record));
  }
  if (preserved.array.empty()) {
    return {};
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
  abi::MemfdRecord contents{memfd.pos, memfd.size, memfd.seals, 0, memfd.page_count(), {}};
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
  for (const PhysAddr folio : preserved.folios) {
    kho_.unpreserve_folio(folio, 0);
  }
  for (const PhysAddr folio : preserved.pinned) {
    services_.pages().free(folio);
  }
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

// One folio into the file. Folios above order 0 come from a kernel with huge pages; their pages
// are entered one by one.
Result<> MemfdSubsystem::restore_folio(Memfd::State& memfd, std::uint64_t word,
                                       std::uint64_t index) {
  const PhysAddr folio((word & abi::kFolioPfnMask) << linux::kPageShift);
  const std::optional<unsigned> order = kho_.restore_folio(folio);
  if (!order) {
    return fail(Errno::kIo);
  }
  const std::uint64_t pages = std::uint64_t{1} << *order;
  services_.pages().split(folio);
  // AMBIGUOUS: Linux does not compare the index with the size; a page behind the end of the file
  // could never be reached. It is refused here.
  const bool outside = index >= memfd.page_count() || pages > memfd.page_count() - index;
  Result<> entered = outside ? fail(Errno::kInval) : Result<>();
  for (std::uint64_t i = 0; i < pages; ++i) {
    const PhysAddr page = folio + i * kPageSize;
    if ((word & abi::kFolioUptodate) == 0) {
      services_.port().ram().zero_pages({page, kPageSize});
    }
    if (entered) {
      entered = memfd.insert(index + i, page);
    }
    if (!entered) {
      services_.pages().free(page);
      continue;
    }
    services_.pages().page(page).owner = "memfd folio";
  }
  return entered;
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
  std::unique_ptr<Memfd> file = make("");
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
  if (!restored) {
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
  const auto pages = static_cast<std::int64_t>(((*file)->size() + kPageSize - 1) / kPageSize);
  co_await services_.spend(kRestorePerFolio * pages);
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
