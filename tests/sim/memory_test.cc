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

// A page goes one of two ways into memory (written lately, or not), and comes out in pieces.
TEST_CASE("whole pages hold what was written last, written again soon or after many others") {
  constexpr std::uint64_t kPages = 5000;
  PhysicalMemory memory(kGiB);
  // One byte more, so that the host sees pages that begin anywhere.
  std::vector<std::byte> data(kPageSize + 1);
  const auto write = [&](std::uint64_t page, std::uint64_t salt) {
    for (std::size_t i = 1; i < data.size(); ++i) {
      data[i] = static_cast<std::byte>(i * 7 + i / 256 + page * 13 + salt);
    }
    memory.write(PhysAddr(page * kPageSize), std::span(data).subspan(1));
  };
  const auto holds_last = [&](std::uint64_t page) {
    std::vector<std::byte> back(kPageSize);
    memory.read(PhysAddr(page * kPageSize), back);
    return std::equal(back.begin(), back.end(), data.begin() + 1);
  };
  for (std::uint64_t round = 0; round < 3; ++round) {
    for (std::uint64_t page = 0; page < kPages; ++page) {
      write(page, round);
      REQUIRE(holds_last(page));
      if (page % 64 == 0) {
        write(page, round + 100);
        REQUIRE(holds_last(page));
      }
    }
  }
  // Neighbours of a page stay as they are.
  write(0, 1);
  memory.store<std::uint64_t>(PhysAddr(2 * kPageSize), 77);
  write(1, 2);
  CHECK(holds_last(1));
  CHECK(memory.load<std::uint64_t>(PhysAddr(2 * kPageSize)) == 77);
  write(0, 1);
  CHECK(holds_last(0));
}

TEST_CASE("a page that was overwritten by a generation takes what is written over it") {
  PhysicalMemory memory(kGiB);
  const std::vector<std::byte> data(kPageSize, std::byte{0x5A});
  for (int round = 0; round < 2; ++round) memory.write(PhysAddr(0x3000), data);
  memory.overwrite(1, {});
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x3000)) == PhysicalMemory::pattern(1, 3));
  memory.write(PhysAddr(0x3000), data);
  memory.zero_pages({PhysAddr(0x4000), kPageSize});
  std::vector<std::byte> back(kPageSize);
  memory.read(PhysAddr(0x3000), back);
  CHECK(back == data);
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x4000)) == 0);
}

TEST_CASE("access outside memory is refused") {
  PhysicalMemory memory(kGiB);
  std::vector<std::byte> data(16);
  CHECK_FALSE(memory.contains(PhysAddr(kGiB - 8), 16));
  CHECK_THROWS_AS(memory.read(PhysAddr(kGiB - 8), data), BugError);
  CHECK_THROWS_AS(memory.page(PhysAddr(kGiB)), BadAccess);
}

TEST_CASE("memory grows before it is used, and not afterwards") {
  PhysicalMemory memory(4 << 20);
  memory.grow(16 << 20);
  REQUIRE(memory.size() == 16 << 20);
  memory.store<std::uint64_t>(PhysAddr(15 << 20), 7);
  CHECK(memory.load<std::uint64_t>(PhysAddr(15 << 20)) == 7);
  CHECK_THROWS_AS(memory.grow(32 << 20), BugError);
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

TEST_CASE("a page written as a whole is what was written, and a page like any other from then on") {
  PhysicalMemory memory(kGiB);
  memory.overwrite(1, {});
  memory.zero_pages({PhysAddr(0x9000), 0x1000});
  const std::vector<std::byte> bytes(2 * kPageSize, std::byte{0x5A});
  memory.write(PhysAddr(0x8000), bytes);
  memory.write(PhysAddr(0x4010), std::span(bytes).first(kPageSize));  // parts of two pages
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x8FF8)) == 0x5A5A'5A5A'5A5A'5A5A);
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x9000)) == 0x5A5A'5A5A'5A5A'5A5A);
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x4000)) == PhysicalMemory::pattern(1, 4));
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x5018)) == PhysicalMemory::pattern(1, 5));
  std::uint64_t peeked = 0;
  CHECK(memory.peek(PhysAddr(0x8000), peeked));
  CHECK(memory.touched() ==
        std::vector{PhysRange{PhysAddr(0x4000), 0x2000}, PhysRange{PhysAddr(0x8000), 0x2000}});
  const std::array kept{PhysRange{PhysAddr(0x9000), 0x1000}};
  memory.overwrite(2, kept);
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x8000)) == PhysicalMemory::pattern(2, 8));
  CHECK(memory.load<std::uint64_t>(PhysAddr(0x9000)) == 0x5A5A'5A5A'5A5A'5A5A);
}

TEST_CASE("memory zeroed or kept in whole stretches of 2 MiB is what page by page makes of it") {
  constexpr std::uint64_t kMiB = 1 << 20;
  PhysicalMemory whole(64 * kMiB);
  PhysicalMemory single(64 * kMiB);
  const auto both = [&](auto&& deed) {
    deed(whole, 4 * kMiB);
    deed(single, kPageSize);
  };
  const auto zero = [](PhysicalMemory& memory, PhysRange range, std::uint64_t step) {
    for (std::uint64_t done = 0; done < range.length; done += step) {
      const std::uint64_t length = std::min(step, range.length - done);
      memory.zero_pages({range.start + done, length});
    }
  };
  for (std::uint64_t page = 0; page < 64 * kMiB; page += 7 * kPageSize) {
    both([&](PhysicalMemory& memory, std::uint64_t) { memory.store(PhysAddr(page), page); });
  }
  both([&](PhysicalMemory& memory, std::uint64_t step) {
    zero(memory, {PhysAddr(8 * kMiB), 8 * kMiB}, step);
    zero(memory, {PhysAddr(20 * kMiB + 0x3000), 6 * kMiB}, step);
    memory.store(PhysAddr(9 * kMiB), std::uint64_t{9});
    const std::array kept{PhysRange{PhysAddr(6 * kMiB + 0x1000), 20 * kMiB},
                          PhysRange{PhysAddr(40 * kMiB), 4 * kMiB + 0x1000},
                          PhysRange{PhysAddr(60 * kMiB), 4 * kMiB}};
    memory.overwrite(1, kept);
    memory.store(PhysAddr(41 * kMiB), std::uint64_t{41});
    const std::array fewer{PhysRange{PhysAddr(8 * kMiB), 4 * kMiB},
                           PhysRange{PhysAddr(22 * kMiB), 2 * kMiB},
                           PhysRange{PhysAddr(42 * kMiB), 0x5000}};
    memory.overwrite(2, fewer);
  });
  CHECK(whole.touched() == single.touched());
  std::uint64_t different = 0;
  for (std::uint64_t page = 0; page < 64 * kMiB; page += kPageSize) {
    const auto a = whole.load<std::uint64_t>(PhysAddr(page + 8));
    const auto b = single.load<std::uint64_t>(PhysAddr(page + 8));
    different += a != b ? 1U : 0U;
  }
  CHECK(different == 0);
  CHECK(whole.load<std::uint64_t>(PhysAddr(9 * kMiB)) == 9);
  CHECK(whole.load<std::uint64_t>(PhysAddr(10 * kMiB)) == 0);
  CHECK(whole.load<std::uint64_t>(PhysAddr(41 * kMiB)) ==
        PhysicalMemory::pattern(2, 41 * kMiB / kPageSize));
}
