#include "model/vmm/mapped_cpu.h"

#include <cstring>

#include "model/vmm/guest_layout.h"

namespace baton::vmm {

void MappedCpu::set_memory(UserAddr start, std::uint64_t bytes) {
  const std::uint64_t low = low_memory_bytes(bytes);
  memory_ = {Window{GuestAddr(), start, low},
             Window{GuestAddr(kHighMemory), start + low, bytes - low}};
}

void MappedCpu::set_bar(unsigned index, GuestAddr guest, UserAddr start, std::uint64_t bytes) {
  bars_.at(index) = {guest, start, bytes};
}

UserAddr MappedCpu::memory_address(GuestAddr address, std::size_t bytes) const {
  for (const Window& piece : memory_) {
    if (address >= piece.guest && bytes <= piece.bytes &&
        address - piece.guest <= piece.bytes - bytes) {
      return piece.start + (address - piece.guest);
    }
  }
  return UserAddr();
}

bool MappedCpu::read(GuestAddr address, std::span<std::byte> to) {
  const UserAddr at = memory_address(address, to.size());
  return at != UserAddr() && process_.load(at, to).has_value();
}

bool MappedCpu::write(GuestAddr address, std::span<const std::byte> from) {
  const UserAddr at = memory_address(address, from.size());
  return at != UserAddr() && process_.store(at, from).has_value();
}

UserAddr MappedCpu::device_address(GuestAddr address, unsigned width) const {
  for (const Window& bar : bars_) {
    if (address >= bar.guest && width <= bar.bytes && address - bar.guest <= bar.bytes - width) {
      return bar.start + (address - bar.guest);
    }
  }
  return UserAddr();
}

void MappedCpu::tell(GuestAddr address, bool write, std::span<const std::byte> data) const {
  if (!accessed_.active()) return;
  accessed_.publish({vm_, address, static_cast<unsigned>(data.size()), write, data});
}

std::uint64_t MappedCpu::mmio_read(GuestAddr address, unsigned width) {
  const std::uint64_t nobody = width == 8 ? UINT64_MAX : (std::uint64_t{1} << width * 8) - 1;
  const UserAddr at = device_address(address, width);
  std::uint64_t value = 0;
  const auto bytes = std::as_writable_bytes(std::span(&value, 1)).first(width);
  if (at == UserAddr() || !process_.load(at, bytes)) {
    value = nobody;
  }
  tell(address, false, bytes);
  return value;
}

void MappedCpu::mmio_write(GuestAddr address, unsigned width, std::uint64_t value) {
  const UserAddr at = device_address(address, width);
  tell(address, true, std::as_bytes(std::span(&value, 1)).first(width));
  if (at != UserAddr()) {
    static_cast<void>(process_.store(at, std::as_bytes(std::span(&value, 1)).first(width)));
  }
}

void MappedCpu::mmio_write_64bytes(GuestAddr address, std::span<const std::byte> bytes) {
  const UserAddr at = device_address(address, 64);
  tell(address, true, bytes);
  if (at != UserAddr()) {
    static_cast<void>(process_.store_64bytes(at, bytes));
  }
}

}  // namespace baton::vmm
