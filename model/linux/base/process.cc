#include "model/linux/base/process.h"

#include <algorithm>
#include <utility>

namespace baton::linux {

namespace {

constexpr std::uint64_t kLine = 64;  // MOVDIR64B

bool is_device_width(std::size_t bytes) {
  return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

std::uint64_t page_aligned(std::uint64_t length) {
  return (length + sim::kPageSize - 1) & ~(sim::kPageSize - 1);
}

}  // namespace

Process::Process(host::KernelPort& port, PageAllocator& pages, FileTable& files, std::string name)
    : port_(port), pages_(pages), files_(files), name_(std::move(name)) {}

Process::~Process() = default;

Result<int> Process::install(File& file) {
  const auto slot = std::find(descriptors_.begin(), descriptors_.end(), nullptr);
  const auto number = static_cast<int>(slot - descriptors_.begin());
  if (slot != descriptors_.end() && number < descriptor_limit_) {
    *slot = &file;
    return number;
  }
  if (number >= descriptor_limit_) {
    return fail(Errno::kMFile);
  }
  descriptors_.push_back(&file);
  return number;
}

bool Process::has_free_descriptor() const {
  const auto slot = std::find(descriptors_.begin(), descriptors_.end(), nullptr);
  return slot - descriptors_.begin() < descriptor_limit_;
}

Result<File*> Process::file(int descriptor) {
  const auto index = static_cast<std::size_t>(descriptor);
  if (descriptor < 0 || index >= descriptors_.size() || descriptors_[index] == nullptr) {
    return fail(Errno::kBadF);
  }
  return descriptors_[index];
}

Co<Result<>> Process::close(int descriptor) {
  const Result<File*> found = file(descriptor);
  if (!found) {
    co_return fail(found.error());
  }
  descriptors_[static_cast<std::size_t>(descriptor)] = nullptr;
  co_await files_.put(**found);
  co_return Result<>();
}

Result<int> Process::send_descriptor(int descriptor, Process& to) {
  const Result<File*> found = file(descriptor);
  if (!found) {
    return fail(found.error());
  }
  const Result<int> installed = to.install(**found);
  if (installed) {
    files_.get(**found);
  }
  return installed;
}

Result<> Process::limit_descriptors(std::uint64_t most) {
  if (most > kMostDescriptors) {
    return fail(Errno::kPerm);
  }
  descriptor_limit_ = static_cast<int>(most);
  return {};
}

void Process::share_descriptors(Process& child) {
  child.descriptors_ = descriptors_;
  child.descriptor_limit_ = descriptor_limit_;
  for (File* file : descriptors_) {
    if (file != nullptr) {
      files_.get(*file);
    }
  }
}

Result<UserAddr> Process::place(Area area) {
  area.start = next_area_;
  // One page stays unmapped between two areas.
  next_area_ = next_area_ + area.length + sim::kPageSize;
  const UserAddr start = area.start;
  areas_.emplace(start, std::move(area));
  return start;
}

Result<UserAddr> Process::map_file(File& file, std::uint64_t offset, std::uint64_t length,
                                   bool writable) {
  if (length == 0 || offset % sim::kPageSize != 0) {
    return fail(Errno::kInval);
  }
  if (length > UINT64_C(1) << 46) {
    return fail(Errno::kNoMem);
  }
  length = page_aligned(length);
  if (const Result<> mapped = file.map(offset, length, writable); !mapped) {
    return fail(mapped.error());
  }
  files_.get(file);
  file.area_added(writable);
  return place({UserAddr(), length, &file, offset, writable, {}});
}

Result<UserAddr> Process::map_anonymous(std::uint64_t length) {
  if (length == 0) {
    return fail(Errno::kInval);
  }
  if (length > UINT64_C(1) << 46) {
    return fail(Errno::kNoMem);
  }
  return place({UserAddr(), page_aligned(length), nullptr, 0, true, {}});
}

Process::Area* Process::area_of(UserAddr address) {
  auto next = areas_.upper_bound(address);
  if (next == areas_.begin()) {
    return nullptr;
  }
  Area& area = std::prev(next)->second;
  return address - area.start < area.length ? &area : nullptr;
}

// Makes an area end at this address [linux __split_vma].
void Process::split_at(UserAddr address) {
  Area* area = area_of(address);
  if (area == nullptr || area->start == address) {
    return;
  }
  const std::uint64_t kept = address - area->start;
  Area rest{address, area->length - kept, area->file, area->offset + kept, area->writable, {}};
  const auto moved = area->pages.lower_bound(address.page_number());
  rest.pages.insert(moved, area->pages.end());
  area->pages.erase(moved, area->pages.end());
  area->length = kept;
  if (rest.file != nullptr) {
    files_.get(*rest.file);
    rest.file->area_added(rest.writable);
  }
  areas_.emplace(address, std::move(rest));
}

Co<> Process::drop(Area& area) {
  for (const auto& [number, page] : area.pages) {
    pages_.free(page);
  }
  if (area.file != nullptr) {
    area.file->area_removed(area.writable);
    co_await files_.put(*area.file);
  }
}

Co<Result<>> Process::unmap(UserAddr start, std::uint64_t length) {
  if (start.page_offset() != 0 || length == 0 || length > UINT64_MAX - start.value()) {
    co_return fail(Errno::kInval);
  }
  const UserAddr end = start + page_aligned(length);
  split_at(start);
  split_at(end);
  for (;;) {
    const auto first = areas_.lower_bound(start);
    if (first == areas_.end() || first->first >= end) {
      co_return Result<>();
    }
    Area area = std::move(first->second);
    areas_.erase(first);
    co_await drop(area);
  }
}

Result<MappedPage> Process::anonymous_page(Area& area, UserAddr address) {
  const auto found = area.pages.find(address.page_number());
  if (found != area.pages.end()) {
    return MappedPage{found->second, false};
  }
  const Result<PhysAddr> page = pages_.allocate(0, "anonymous");
  if (!page) {
    return fail(page.error());
  }
  area.pages.emplace(address.page_number(), *page);
  return MappedPage{*page, false};
}

Result<MappedPage> Process::page_at(UserAddr address, bool write) {
  Area* area = area_of(address);
  if (area == nullptr || (write && !area->writable)) {
    return fail(Errno::kFault);
  }
  if (area->file == nullptr) {
    return anonymous_page(*area, address);
  }
  return area->file->fault(area->offset + (address.page_base() - area->start), write);
}

Result<Process::FileAt> Process::file_at(UserAddr address) {
  Area* area = area_of(address);
  if (area == nullptr) {
    return fail(Errno::kFault);
  }
  if (area->file == nullptr) {
    return FileAt{};
  }
  return FileAt{area->file, area->offset + (address - area->start)};
}

Result<> Process::load(UserAddr from, std::span<std::byte> to) {
  while (!to.empty()) {
    const Result<MappedPage> page = page_at(from, false);
    if (!page) {
      return fail(page.error());
    }
    const std::size_t step = std::min<std::size_t>(to.size(), sim::kPageSize - from.page_offset());
    const PhysAddr address = page->address + from.page_offset();
    if (!page->device) {
      port_.ram().read(address, to.first(step));
    } else if (step == to.size() && is_device_width(step) && address.value() % step == 0) {
      const std::uint64_t value = port_.mmio_read(address, static_cast<unsigned>(step));
      std::memcpy(to.data(), &value, step);
    } else {
      return fail(Errno::kFault);
    }
    to = to.subspan(step);
    from = from + step;
  }
  return {};
}

Result<> Process::store(UserAddr to, std::span<const std::byte> from) {
  while (!from.empty()) {
    const Result<MappedPage> page = page_at(to, true);
    if (!page) {
      return fail(page.error());
    }
    const std::size_t step = std::min<std::size_t>(from.size(), sim::kPageSize - to.page_offset());
    const PhysAddr address = page->address + to.page_offset();
    if (!page->device) {
      port_.ram().write(address, from.first(step));
    } else if (step == from.size() && is_device_width(step) && address.value() % step == 0) {
      std::uint64_t value = 0;
      std::memcpy(&value, from.data(), step);
      port_.mmio_write(address, static_cast<unsigned>(step), value);
    } else {
      return fail(Errno::kFault);
    }
    from = from.subspan(step);
    to = to + step;
  }
  return {};
}

Result<> Process::store_64bytes(UserAddr to, std::span<const std::byte> from) {
  if (from.size() != kLine || to.value() % kLine != 0) {
    return fail(Errno::kFault);
  }
  const Result<MappedPage> page = page_at(to, true);
  if (!page) {
    return fail(page.error());
  }
  const PhysAddr address = page->address + to.page_offset();
  if (page->device) {
    port_.mmio_write_64bytes(address, from);
  } else {
    port_.ram().write(address, from);
  }
  return {};
}

Co<> Process::exit() {
  for (File*& slot : descriptors_) {
    File* file = std::exchange(slot, nullptr);
    if (file != nullptr) {
      co_await files_.put(*file);
    }
  }
  while (!areas_.empty()) {
    Area area = std::move(areas_.begin()->second);
    areas_.erase(areas_.begin());
    co_await drop(area);
  }
}

}  // namespace baton::linux
