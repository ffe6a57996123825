#include "model/iommufd/ioas.h"

#include <algorithm>
#include <bit>

namespace baton::iommufd {

using linux::Errno;
using linux::fail;
using linux::Result;
using linux::iommu::Domain;
using sim::kPageSize;

namespace {

constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20;

bool overlap(const IovaRange& a, std::uint64_t first, std::uint64_t last) {
  return a.start <= last && first <= a.last;
}

}  // namespace

bool Ioas::overlaps_area(std::uint64_t first, std::uint64_t last) const {
  auto after = areas_.upper_bound(last);
  return after != areas_.begin() && std::prev(after)->second.last() >= first;
}

// iopt_check_iova.
Result<> Ioas::check_iova(std::uint64_t iova, std::uint64_t length) const {
  if (iova % kPageSize != 0) {
    return fail(Errno::kInval);
  }
  if (iova > UINT64_MAX - (length - 1)) {
    return fail(Errno::kOverflow);
  }
  const std::uint64_t last = iova + (length - 1);
  if (std::any_of(reserved_.begin(), reserved_.end(),
                  [&](const Reserved& r) { return overlap(r.range, iova, last); })) {
    return fail(Errno::kInval);
  }
  if (overlaps_area(iova, last)) {
    return fail(Errno::kExist);
  }
  return {};
}

// iopt_alloc_iova: the first hole from the second page on, aligned as the memory is, but to no more
// than 2 MiB.
Result<std::uint64_t> Ioas::choose_iova(std::uint64_t length, std::uint64_t origin) const {
  std::uint64_t alignment = length > kHugePage ? kHugePage : std::bit_ceil(length);
  if (origin != 0) {
    alignment = std::min(alignment, std::uint64_t{1} << std::countr_zero(origin));
  }
  std::vector<IovaRange> used;
  for (const Reserved& reserved : reserved_) {
    used.push_back(reserved.range);
  }
  for (const auto& [iova, area] : areas_) {
    used.push_back({iova, area.last()});
  }
  std::sort(used.begin(), used.end(),
            [](const IovaRange& a, const IovaRange& b) { return a.start < b.start; });
  const auto align = [&](std::uint64_t value) {
    return (value + alignment - 1) & ~(alignment - 1);
  };
  std::uint64_t candidate = align(kPageSize);
  for (const IovaRange& range : used) {
    if (candidate + (length - 1) < range.start) {
      break;
    }
    if (range.last >= UINT64_MAX - kHugePage) {
      return fail(Errno::kNoSpc);
    }
    candidate = std::max(candidate, align(range.last + 1));
  }
  if (candidate > UINT64_MAX - kPageSize - length) {
    return fail(Errno::kNoSpc);
  }
  return candidate;
}

// Runs of pages that lie side by side are mapped in one go, so that they can become large pages.
Result<> Ioas::map_into(Domain& domain, const Area& area) {
  std::uint64_t done = 0;
  for (std::size_t next = 0; next < area.pages.size();) {
    sim::PhysRange run = area.pages[next++];
    while (next < area.pages.size() && area.pages[next].start == run.end()) {
      run.length += area.pages[next++].length;
    }
    if (auto mapped = domain.map(Iova(area.iova + done), run.start, run.length, area.prot);
        !mapped) {
      if (done > 0) {
        static_cast<void>(domain.unmap(Iova(area.iova), done));
      }
      return mapped;
    }
    done += run.length;
  }
  return {};
}

// Takes over pages and file reference; drops the pages when a domain refuses.
Result<> Ioas::insert(Area area) {
  for (std::size_t i = 0; i < domains_.size(); ++i) {
    if (auto mapped = map_into(*domains_[i], area); !mapped) {
      for (std::size_t undo = 0; undo < i; ++undo) {
        static_cast<void>(domains_[undo]->unmap(Iova(area.iova), area.length));
      }
      unpin(area);
      return mapped;
    }
  }
  if (area.memfd != nullptr) {
    services_.files().get(*area.memfd);
  }
  if (area.dma_buf != nullptr) {
    services_.files().get(*area.dma_buf);
    area.dma_buf->attach(*this);
  }
  const std::uint64_t iova = area.iova;
  areas_.emplace(iova, std::move(area));
  return {};
}

void Ioas::unpin(const Area& area) {
  if (area.device_memory) {
    return;
  }
  for (const sim::PhysRange& pinned : area.pages) {
    services_.pages().free(pinned.start);
  }
}

// memfd_pin_folios over the whole area.
Result<> Ioas::pin_memfd(Area& area) {
  for (std::uint64_t done = 0; done < area.length;) {
    Result<sim::PhysRange> folio = area.memfd->pin_folio(area.offset + done);
    if (!folio) {
      unpin(area);
      return fail(folio.error());
    }
    folio->length = std::min(folio->length, area.length - done);
    done += folio->length;
    area.pages.push_back(*folio);
  }
  return {};
}

Result<> Ioas::map_memfd(Area area) {
  area.seals = area.memfd->seals();
  if (auto pinned = pin_memfd(area); !pinned) {
    return pinned;
  }
  return insert(std::move(area));
}

// The pages of a BAR lie side by side [linux drivers/iommu/iommufd/pages.c,
// pfn_reader_fill_dmabuf].
Result<> Ioas::map_dma_buf(Area area) {
  const linux::DmaBuf& buffer = *area.dma_buf;
  if (buffer.revoked()) {
    return fail(Errno::kNoDev);
  }
  if (area.offset > buffer.bytes() || area.length > buffer.bytes() - area.offset) {
    return fail(Errno::kInval);
  }
  area.device_memory = DeviceMemory{buffer.exporter(), buffer.region()};
  area.pages.push_back({buffer.start() + area.offset, area.length});
  return insert(std::move(area));
}

Result<> Ioas::map_user(Area area, linux::Process& process, UserAddr start) {
  for (std::uint64_t done = 0; done < area.length; done += kPageSize) {
    const Result<linux::MappedPage> page = process.page_at(start + done, area.prot.write);
    if (!page || page->device) {  // no struct page, nothing to pin
      unpin(area);
      return fail(page ? Errno::kFault : page.error());
    }
    services_.pages().get(page->address.page_base());
    area.pages.push_back({page->address.page_base(), kPageSize});
  }
  return insert(std::move(area));
}

Result<> Ioas::restore(Area area) {
  if (auto place = check_iova(area.iova, area.length); !place) {
    return place;
  }
  if (auto pinned = pin_memfd(area); !pinned) {
    return pinned;
  }
  services_.files().get(*area.memfd);
  const std::uint64_t iova = area.iova;
  areas_.emplace(iova, std::move(area));
  return {};
}

Result<> Ioas::restore_device_memory(Area area) {
  if (auto place = check_iova(area.iova, area.length); !place) {
    return place;
  }
  const std::uint64_t iova = area.iova;
  areas_.emplace(iova, std::move(area));
  return {};
}

// iopt_unmap_iova_range.
Co<Result<std::uint64_t>> Ioas::unmap(std::uint64_t first, std::uint64_t last) {
  std::uint64_t unmapped = 0;
  while (true) {
    auto at = areas_.lower_bound(first);
    if (at != areas_.begin() && std::prev(at)->second.last() >= first) {
      co_return fail(Errno::kNoEnt);
    }
    if (at == areas_.end() || at->first > last) {
      co_return unmapped;
    }
    if (at->second.last() > last) {
      co_return fail(Errno::kNoEnt);
    }
    Area area = std::move(at->second);
    areas_.erase(at);
    unmap_from_domains(area);
    co_await iommu_.settle();
    unpin(area);
    unmapped += area.length;
    if (area.memfd != nullptr) {
      co_await services_.files().put(*area.memfd);
    }
    if (area.dma_buf != nullptr) {
      area.dma_buf->detach(*this);
      co_await services_.files().put(*area.dma_buf);
    }
  }
}

void Ioas::unmap_from_domains(const Area& area) {
  if (area.pages.empty()) {
    return;  // revoked
  }
  for (Domain* domain : domains_) {
    static_cast<void>(domain->unmap(Iova(area.iova), area.length));
  }
}

// iopt_revoke_notify(): the areas stay, and lead nowhere.
Co<> Ioas::on_revoked(linux::DmaBuf& buffer) {
  for (auto& [iova, area] : areas_) {
    if (area.dma_buf != &buffer) continue;
    unmap_from_domains(area);
    area.pages.clear();
  }
  co_await iommu_.settle();
}

Result<> Ioas::add_domain(Domain& domain) {
  const std::uint64_t last = domain.last().value();
  if (last != UINT64_MAX) {
    if (auto aperture = reserve({last + 1, UINT64_MAX}, &domain); !aperture) {
      return aperture;
    }
  }
  for (const auto& [iova, area] : areas_) {
    if (auto mapped = map_into(domain, area); !mapped) {
      for (const auto& [undo_iova, undo] : areas_) {
        if (undo_iova >= iova) {
          break;
        }
        if (undo.pages.empty()) continue;
        static_cast<void>(domain.unmap(Iova(undo_iova), undo.length));
      }
      unreserve(&domain);
      return mapped;
    }
  }
  domains_.push_back(&domain);
  return {};
}

void Ioas::add_restored_domain(Domain& domain) {
  const std::uint64_t last = domain.last().value();
  if (last != UINT64_MAX) {
    reserved_.push_back({{last + 1, UINT64_MAX}, &domain});
  }
  domains_.push_back(&domain);
}

void Ioas::remove_domain(Domain& domain) {
  unreserve(&domain);
  std::erase(domains_, &domain);
}

Result<> Ioas::reserve(IovaRange range, const void* owner) {
  if (overlaps_area(range.start, range.last)) {
    return fail(Errno::kAddrInUse);
  }
  reserved_.push_back({range, owner});
  return {};
}

void Ioas::unreserve(const void* owner) {
  std::erase_if(reserved_, [owner](const Reserved& r) { return r.owner == owner; });
}

std::vector<IovaRange> Ioas::usable() const {
  std::vector<IovaRange> reserved;
  for (const Reserved& entry : reserved_) {
    reserved.push_back(entry.range);
  }
  std::sort(reserved.begin(), reserved.end(),
            [](const IovaRange& a, const IovaRange& b) { return a.start < b.start; });
  std::vector<IovaRange> result;
  std::uint64_t next = 0;
  for (const IovaRange& range : reserved) {
    if (range.start > next) {
      result.push_back({next, range.start - 1});
    }
    if (range.last == UINT64_MAX) {
      return result;
    }
    next = std::max(next, range.last + 1);
  }
  result.push_back({next, UINT64_MAX});
  return result;
}

}  // namespace baton::iommufd
