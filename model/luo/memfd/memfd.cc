#include "model/luo/memfd/memfd.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "model/luo/memfd/memfd_state.h"

namespace baton::luo {

using linux::Errno;
using linux::fail;
using linux::Result;
using sim::kPageSize;

namespace {

constexpr std::uint64_t kMaxSize = INT64_MAX;  // MAX_LFS_FILESIZE
constexpr std::uint32_t kAllSeals =
    kSealSeal | kSealShrink | kSealGrow | kSealWrite | kSealFutureWrite | kSealExec;

}  // namespace

Memfd::Memfd(std::unique_ptr<State> state) : state_(std::move(state)) {}

Memfd::~Memfd() = default;

std::string Memfd::name() const { return fmt::format("/memfd:{} (deleted)", state_->name); }

std::uint64_t Memfd::size() const { return state_->size; }

std::uint32_t Memfd::seals() const { return state_->seals; }

std::uint64_t Memfd::inode() const { return state_->inode; }

std::uint64_t Memfd::folios() const { return state_->folio_count(); }

Co<Result<std::size_t>> Memfd::pread(linux::Process& /*process*/, std::span<std::byte> to,
                                     std::uint64_t offset) {
  if (offset > kMaxSize) {
    co_return fail(Errno::kInval);
  }
  const std::uint64_t size = state_->size;
  const std::size_t total = std::min<std::uint64_t>(to.size(), size - std::min(size, offset));
  to = to.first(total);
  while (!to.empty()) {
    const std::size_t step = std::min<std::size_t>(to.size(), kPageSize - offset % kPageSize);
    const PhysAddr page = state_->find(offset / kPageSize);
    if (page == PhysAddr()) {
      std::fill_n(to.begin(), step, std::byte{0});
    } else {
      state_->services.port().ram().read(page + offset % kPageSize, to.first(step));
    }
    to = to.subspan(step);
    offset += step;
  }
  co_return total;
}

Co<Result<std::size_t>> Memfd::read(linux::Process& process, std::span<std::byte> to) {
  const Result<std::size_t> done = co_await pread(process, to, state_->pos);
  state_->pos += done.value_or(0);
  co_return done;
}

// Page by page, and so are the refusals: what fits before is written [linux shmem_write_begin].
Co<Result<std::size_t>> Memfd::pwrite(linux::Process& /*process*/, std::span<const std::byte> from,
                                      std::uint64_t offset) {
  if (offset > kMaxSize) {
    co_return fail(Errno::kInval);
  }
  if (state_->hugetlb) {
    co_return fail(Errno::kInval);  // hugetlbfs has no write
  }
  std::size_t written = 0;
  while (written < from.size()) {
    const std::uint64_t at = offset + written;
    const std::size_t step =
        std::min<std::size_t>(from.size() - written, kPageSize - at % kPageSize);
    const bool grows = at + step > state_->size;
    const bool sealed = (state_->seals & (kSealWrite | kSealFutureWrite)) != 0 ||
                        (grows && (state_->seals & kSealGrow) != 0);
    Result<PhysAddr> page = fail(Errno::kPerm);
    if (at + step > kMaxSize) {
      page = fail(Errno::kFBig);
    } else if (!sealed && !(grows && state_->frozen)) {
      page = state_->get(at / kPageSize);
    }
    if (!page) {
      if (written > 0) {
        break;
      }
      co_return fail(page.error());
    }
    state_->services.port().ram().write(*page + at % kPageSize, from.subspan(written, step));
    state_->size = std::max(state_->size, at + step);
    written += step;
  }
  co_return written;
}

Co<Result<std::size_t>> Memfd::write(linux::Process& process, std::span<const std::byte> from) {
  const Result<std::size_t> done = co_await pwrite(process, from, state_->pos);
  state_->pos += done.value_or(0);
  co_return done;
}

Co<Result<std::uint64_t>> Memfd::seek(std::int64_t offset, int whence) {
  constexpr int kSet = 0;
  constexpr int kCurrent = 1;
  constexpr int kEnd = 2;
  std::int64_t base = 0;
  if (whence == kCurrent) {
    base = static_cast<std::int64_t>(state_->pos);
  } else if (whence == kEnd) {
    base = static_cast<std::int64_t>(state_->size);
  } else if (whence != kSet) {
    co_return fail(Errno::kInval);
  }
  if (offset > INT64_MAX - base || base + offset < 0) {
    co_return fail(Errno::kInval);
  }
  state_->pos = static_cast<std::uint64_t>(base + offset);
  co_return state_->pos;
}

// [linux shmem_setattr]
Co<Result<>> Memfd::truncate(std::uint64_t size) {
  if (size > kMaxSize) {
    co_return fail(Errno::kInval);
  }
  State& state = *state_;
  if (state.hugetlb && size % (kPageSize << kHugeOrder) != 0) {
    co_return fail(Errno::kInval);
  }
  const bool shrinks = size < state.size;
  const bool grows = size > state.size;
  if ((state.frozen && (shrinks || grows)) || (shrinks && (state.seals & kSealShrink) != 0) ||
      (grows && (state.seals & kSealGrow) != 0)) {
    co_return fail(Errno::kPerm);
  }
  state.size = size;
  if (shrinks) {
    state.drop_from(state.page_count());
    const PhysAddr last = state.find(size / kPageSize);
    if (size % kPageSize != 0 && last != PhysAddr()) {
      const std::array<std::byte, kPageSize> zeroes{};
      state.services.port().ram().write(last + size % kPageSize,
                                        std::span(zeroes).subspan(size % kPageSize));
    }
  }
  co_return Result<>();
}

Result<> Memfd::map(std::uint64_t offset, std::uint64_t length, bool writable) {
  if (offset > kMaxSize || length > kMaxSize - offset) {
    return fail(Errno::kOverflow);
  }
  if (writable && (state_->seals & (kSealWrite | kSealFutureWrite)) != 0) {
    return fail(Errno::kPerm);
  }
  if (state_->hugetlb) {
    return fail(Errno::kNoMem);  // nothing to reserve from the pool
  }
  return {};
}

Result<linux::MappedPage> Memfd::fault(std::uint64_t offset, bool /*write*/) {
  const std::uint64_t index = offset / kPageSize;
  if (index >= state_->page_count()) {
    return fail(Errno::kFault);
  }
  const Result<PhysAddr> page = state_->get(index);
  if (!page) {
    return fail(page.error());
  }
  return linux::MappedPage{*page, false};
}

void Memfd::area_added(bool writable) { state_->writable_areas += writable ? 1U : 0U; }

void Memfd::area_removed(bool writable) { state_->writable_areas -= writable ? 1U : 0U; }

Co<> Memfd::release() {
  state_->drop_from(0);
  co_return;
}

// [linux mm/memfd.c memfd_add_seals]. Pinned pages do not hold F_SEAL_WRITE up here.
Result<> Memfd::add_seals(std::uint32_t seals) {
  if ((seals & ~kAllSeals) != 0) {
    return fail(Errno::kInval);
  }
  if ((state_->seals & kSealSeal) != 0) {
    return fail(Errno::kPerm);
  }
  if ((seals & ~state_->seals & kSealWrite) != 0 && state_->writable_areas > 0) {
    return fail(Errno::kBusy);
  }
  // A memfd is executable unless asked otherwise; then SEAL_EXEC implies that nobody writes.
  if ((seals & kSealExec) != 0) {
    seals |= kSealShrink | kSealGrow | kSealWrite | kSealFutureWrite;
  }
  state_->seals |= seals;
  return {};
}

Result<PhysAddr> Memfd::pin(std::uint64_t offset) {
  if (offset >= state_->size) {
    return fail(Errno::kInval);
  }
  const Result<PhysAddr> page = state_->get(offset / kPageSize);
  if (page) {
    state_->services.pages().get(*page);
  }
  return page;
}

Result<sim::PhysRange> Memfd::pin_folio(std::uint64_t offset) {
  const Result<PhysAddr> page = pin(offset);
  if (!page) {
    return fail(page.error());
  }
  const std::uint64_t pages = std::uint64_t{1} << state_->order_at(offset / kPageSize);
  const std::uint64_t before = offset / kPageSize % pages;
  return sim::PhysRange{*page, (pages - before) * kPageSize};
}

}  // namespace baton::luo
