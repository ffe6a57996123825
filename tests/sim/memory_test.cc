// Physical memory and the fate of what nobody preserved [docs/architecture.md, law 2].
#include "sim/memory.h"

namespace {

using namespace baton;
using namespace baton::sim;

constexpr std::uint64_t kGiB = 1ULL << 30;

}  // namespace

TEST_CASE("memory reads as zero at power-on, whatever its size") {
  PhysicalMemory memory(1024 * kGiB);
  CHECK(memory.load<std::uint64_t>(PhysAddr(1000 * kGiB)) == 0);
  memory.store<std::uint32_t>(PhysAddr(0x1234), 0xABCD);
  CHECK(memory.load<std::uint32_t>(PhysAddr(0x1234)) == 0xABCD);
  CHECK(memory.touched().size() == 2);
}

TEST_CASE("reads and writes cross page boundaries") {
  PhysicalMemory memory(kGiB);
  std::vector<std::byte> data(10000);
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<std::byte>(i * 7);
  }
  memory.write(PhysAddr(0x1F00), data);
  std::vector<std::byte> back(data.size());
  memory.read(PhysAddr(0x1F00), back);
  CHECK(back == data);
}

TEST_CASE("access outside memory is refused") {
  PhysicalMemory memory(kGiB);
  std::vector<std::byte> data(16);
  CHECK_FALSE(memory.contains(PhysAddr(kGiB - 8), 16));
  CHECK_THROWS_AS(memory.read(PhysAddr(kGiB - 8), data), BugError);
  CHECK_THROWS_AS(memory.page(PhysAddr(kGiB)), BadAccess);
}

TEST_CASE("what is not preserved reads as the pattern of the generation that overwrote it") {
  PhysicalMemory memory(kGiB);
  memory.store<std::uint64_t>(PhysAddr(0x1000), 11);
  memory.store<std::uint64_t>(PhysAddr(0x2000), 22);
  memory.store<std::uint64_t>(PhysAddr(0x40000000 - 0x1000), 33);
  const std::array kept{PhysRange{PhysAddr(0x2000), 0x1000}, PhysRange{PhysAddr(0x5000), 0x1000}};
  memory.overwrite(1, kept);
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x1000)) == PhysicalMemory::pattern(1, 1));
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x2000)) == 22);
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x3000)) == PhysicalMemory::pattern(1, 3));
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x5000)) == 0);
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x40000000 - 0x1000)) ==
        PhysicalMemory::pattern(1, 0x3FFFF));
}

TEST_CASE("an untouched page kept by one generation keeps the older generation's content") {
  PhysicalMemory memory(kGiB);
  memory.overwrite(1, {});
  const std::array kept{PhysRange{PhysAddr(0x7000), 0x1000}};
  memory.overwrite(2, kept);
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x7000)) == PhysicalMemory::pattern(1, 7));
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x8000)) == PhysicalMemory::pattern(2, 8));
}

TEST_CASE("a lazily zeroed page is zero, also when it is preserved untouched") {
  PhysicalMemory memory(kGiB);
  memory.store<std::uint64_t>(PhysAddr(0x9000), 5);
  memory.zero_pages({PhysAddr(0x9000), 0x2000});
  const std::array kept{PhysRange{PhysAddr(0x9000), 0x2000}};
  memory.overwrite(1, kept);
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x9000)) == 0);
  CHECK(memory.load<std::uint64_t>(PhysAddr(0xA000)) == 0);
}
