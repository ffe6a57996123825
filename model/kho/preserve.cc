// Preserving in the old kernel, restoring in the new [linux kernel/liveupdate/kexec_handover.c].
//
// Not modelled: the scratch-overlap check of CONFIG_KEXEC_HANDOVER_DEBUG; NUMA borders (the machine
// has one node).
#include <algorithm>
#include <bit>

#include "model/kho/state.h"

namespace baton::kho {

using linux::Errno;

namespace {

// What stands where a defect reads an order that nobody has set: that of a huge area.
constexpr unsigned kLeftoverOrder = 9;

// The largest aligned block at `pfn` within `count` pages.
unsigned cut(std::uint64_t pfn, std::uint64_t count) {
  const unsigned fits = static_cast<unsigned>(std::bit_width(count)) - 1;
  return pfn == 0 ? fits : std::min(fits, static_cast<unsigned>(std::countr_zero(pfn)));
}

}  // namespace

linux::Result<> Kho::preserve_folio(PhysAddr folio, unsigned order) {
  const auto added = state_->tree.add(folio, order);
  if (added) {
    state_->publish(linux::LedgerEvent::kPreserved, folio, order);
  }
  return added;
}

void Kho::unpreserve_folio(PhysAddr folio, unsigned order) {
  const bool marked = state_->tree.contains(folio, order);
  if (!state_->tree.remove(folio, order)) {
    state_->services.print(sim::LogLevel::kWarning, "KHO: unpreserve of {:#x}, never preserved",
                           folio.value());
    return;
  }
  if (marked) state_->publish(linux::LedgerEvent::kUnpreserved, folio, order);
}

linux::Result<> Kho::preserve_pages(PhysAddr first, std::uint64_t count) {
  std::uint64_t done = 0;
  while (done < count) {
    const PhysAddr block = first + done * sim::kPageSize;
    const unsigned order = cut(block.page_number(), count - done);
    if (const auto added = preserve_folio(block, order); !added) {
      unpreserve_pages(first, done);
      return added;
    }
    done += std::uint64_t{1} << order;
  }
  return {};
}

void Kho::unpreserve_pages(PhysAddr first, std::uint64_t count) {
  std::uint64_t done = 0;
  while (done < count) {
    const PhysAddr block = first + done * sim::kPageSize;
    const unsigned order = cut(block.page_number(), count - done);
    unpreserve_folio(block, order);
    done += std::uint64_t{1} << order;
  }
}

linux::Result<VmallocDescriptor> Kho::preserve_vmalloc(std::span<const PhysAddr> pages) {
  VmallocDescriptor descriptor;
  descriptor.flags = abi::kVmallocAlloc;
  const auto new_chunk = [this] { return alloc_preserve(sim::kPageSize, "kho vmalloc chunk"); };
  auto chunk = new_chunk();
  if (!chunk) {
    return linux::fail(Errno::kNoMem);
  }
  if (state_->services.has(linux::Defect::kKhoSkipVmallocChunk)) unpreserve_folio(*chunk, 0);
  descriptor.first_chunk = *chunk;
  std::uint64_t used = 0;
  for (const PhysAddr page : pages) {
    const auto preserved = preserve_pages(page, 1);
    if (!preserved) {
      unpreserve_vmalloc(descriptor);
      return linux::fail(preserved.error());
    }
    ++descriptor.total_pages;
    state_->ram().store(*chunk + 8 + used * 8, page.value());
    if (++used == abi::kVmallocRunsPerChunk) {  // a new chunk as soon as one is full
      const auto next = new_chunk();
      if (!next) {
        unpreserve_vmalloc(descriptor);
        return linux::fail(Errno::kNoMem);
      }
      state_->ram().store(*chunk, next->value());
      chunk = next;
      used = 0;
    }
  }
  return descriptor;
}

void Kho::unpreserve_vmalloc(const VmallocDescriptor& descriptor) {
  const bool unset = state_->services.has(linux::Defect::kKhoVmallocUnsetOrder);
  const unsigned order = unset ? kLeftoverOrder : descriptor.order;
  PhysAddr chunk = descriptor.first_chunk;
  while (chunk.value() != 0) {
    for (std::uint64_t i = 0; i < abi::kVmallocRunsPerChunk; ++i) {
      const PhysAddr page(state_->ram().load<std::uint64_t>(chunk + 8 + i * 8));
      if (page.value() == 0) {
        break;
      }
      unpreserve_pages(page, std::uint64_t{1} << order);
    }
    const PhysAddr next(state_->ram().load<std::uint64_t>(chunk));
    unpreserve_free(chunk);
    chunk = next;
  }
}

linux::Result<PhysAddr> Kho::alloc_preserve(std::uint64_t size, const char* owner) {
  if (size == 0) {
    return linux::fail(Errno::kInval);
  }
  const unsigned order = linux::order_of(size);
  if (order > linux::kMaxPageOrder) {
    return linux::fail(Errno::kTooBig);
  }
  const auto block = state_->pages().allocate(order, owner);
  if (!block) {
    return linux::fail(Errno::kNoMem);
  }
  if (const auto preserved = preserve_folio(*block, order); !preserved) {
    state_->pages().free(*block);
    return linux::fail(preserved.error());
  }
  return *block;
}

void Kho::unpreserve_free(PhysAddr memory) {
  if (memory.value() == 0) {
    return;
  }
  unpreserve_folio(memory, state_->pages().page(memory).order);
  state_->pages().free(memory);
}

std::optional<unsigned> Kho::restore_folio(PhysAddr address) {
  const auto order = state_->take_stamp(address);
  // A block above the largest folio comes from preserve_pages() and is no folio; v7.0 refuses it
  // here, newer kernels have no check.
  if (!order || *order > linux::kMaxPageOrder) {
    return std::nullopt;
  }
  state_->pages().adopt(address.page_base(), *order, "restored");
  state_->publish(linux::LedgerEvent::kRestored, address.page_base(), *order);
  return order;
}

bool Kho::restore_pages(PhysAddr first, std::uint64_t count) {
  if (count == 0 || !state_->ram().contains(first, 1) ||
      count > state_->ram().size() / sim::kPageSize - first.page_number()) {
    return false;
  }
  std::uint64_t done = 0;
  while (done < count) {
    const PhysAddr block = first.page_base() + done * sim::kPageSize;
    const unsigned expected = cut(block.page_number(), count - done);
    const auto order = state_->take_stamp(block);
    if (!order) {
      return false;  // blocks before this one stay restored
    }
    // AMBIGUOUS: what a run becomes whose stamp disagrees with the cut; read as the smaller one,
    // so that no page is adopted that the previous kernel did not preserve.
    const std::uint64_t pages = std::uint64_t{1} << std::min(expected, *order);
    for (std::uint64_t i = 0; i < pages; ++i) {
      state_->pages().adopt(block + i * sim::kPageSize, 0, "restored");
    }
    state_->publish(linux::LedgerEvent::kRestored, block, expected);
    if (*order != expected) {
      return false;
    }
    done += std::uint64_t{1} << expected;
  }
  return true;
}

std::optional<std::vector<PhysAddr>> Kho::restore_vmalloc(const VmallocDescriptor& descriptor) {
  constexpr std::uint16_t kKnownFlags = abi::kVmallocAlloc | abi::kVmallocHuge;
  const std::uint64_t memory_pages = state_->ram().size() / sim::kPageSize;
  if ((descriptor.flags & ~kKnownFlags) != 0 || descriptor.total_pages > memory_pages ||
      descriptor.order > linux::kMaxPageOrder) {
    return std::nullopt;
  }
  const std::uint64_t run = std::uint64_t{1} << descriptor.order;
  std::vector<PhysAddr> pages;
  PhysAddr chunk = descriptor.first_chunk;
  while (chunk.value() != 0) {
    if (chunk.page_offset() != 0 || !state_->ram().contains(chunk, sim::kPageSize)) {
      return std::nullopt;
    }
    for (std::uint64_t i = 0; i < abi::kVmallocRunsPerChunk; ++i) {
      const PhysAddr first(state_->ram().load<std::uint64_t>(chunk + 8 + i * 8));
      if (first.value() == 0) {
        break;
      }
      if (pages.size() + run > descriptor.total_pages || !restore_pages(first, run)) {
        return std::nullopt;
      }
      for (std::uint64_t page = 0; page < run; ++page) {
        pages.push_back(first.page_base() + page * sim::kPageSize);
      }
    }
    const PhysAddr next(state_->ram().load<std::uint64_t>(chunk));
    if (!restore_folio(chunk)) {
      return std::nullopt;
    }
    state_->pages().free(chunk);
    chunk = next;
  }
  if (pages.size() != descriptor.total_pages) {
    return std::nullopt;
  }
  return pages;
}

void Kho::restore_free(PhysAddr address) {
  if (restore_folio(address)) {
    state_->pages().free(address.page_base());
  }
}

}  // namespace baton::kho
