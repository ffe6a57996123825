#include "model/devices/nvme/disk.h"

#include <algorithm>

#include "sim/check.h"

namespace baton::devices::nvme {

void Disk::read(std::uint64_t offset, std::span<std::byte> to) const {
  BATON_CHECK(offset <= capacity_ && to.size() <= capacity_ - offset, "a read beyond the disk");
  while (!to.empty()) {
    const std::uint64_t inside = offset % kChunkBytes;
    const auto part = to.first(std::min<std::uint64_t>(to.size(), kChunkBytes - inside));
    const auto found = chunks_.find(offset / kChunkBytes);
    if (found == chunks_.end()) {
      std::ranges::fill(part, std::byte{0});
    } else {
      std::ranges::copy(std::span(*found->second).subspan(inside, part.size()), part.begin());
    }
    offset += part.size();
    to = to.subspan(part.size());
  }
}

void Disk::write(std::uint64_t offset, std::span<const std::byte> from) {
  BATON_CHECK(offset <= capacity_ && from.size() <= capacity_ - offset, "a write beyond the disk");
  while (!from.empty()) {
    const std::uint64_t inside = offset % kChunkBytes;
    const auto part = from.first(std::min<std::uint64_t>(from.size(), kChunkBytes - inside));
    auto& chunk = chunks_[offset / kChunkBytes];
    if (chunk == nullptr) chunk = std::make_unique<Chunk>();
    std::ranges::copy(part, chunk->begin() + static_cast<std::ptrdiff_t>(inside));
    offset += part.size();
    from = from.subspan(part.size());
  }
}

}  // namespace baton::devices::nvme
