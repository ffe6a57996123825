// What a kernel hands over is damaged at the instant of the jump, in hundreds of ways: single bits,
// pointers that lead outside, to themselves or to something else, counts and lengths, tails cut
// off. The next kernel refuses, panics or goes on as a real one would; baton never crashes, hangs
// or reads outside the machine's memory (which is a bug that throws).
#include <algorithm>
#include <bit>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "sim/random.h"
#include "tests/scenarios/preserved_walk.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

constexpr std::uint64_t kPage = sim::kPageSize;
constexpr std::size_t kLongRun = 48;  // guest memory, its page tables, arrays of folios

// Pages that hold structures: the root FDT, the tree's own tables, and preserved blocks but for
// long runs of neighbours.
std::vector<std::uint64_t> structure_pages(sim::PhysicalMemory& memory,
                                           const host::KexecImage& image) {
  std::vector<test::Key> keys = test::preserved_blocks(memory, image);
  std::ranges::sort(keys, {}, &test::Key::start);
  std::vector<std::uint64_t> pages{test::fdt_address(memory, image.setup_data.value())};
  for (const test::Key& key : keys) pages.push_back(key.leaf_word / kPage * kPage);
  for (std::size_t first = 0; first < keys.size();) {
    std::size_t last = first;
    while (last + 1 < keys.size() &&
           keys[last + 1].start == keys[last].start + (kPage << keys[last].order)) {
      ++last;
    }
    if (last - first < kLongRun) {
      for (std::size_t i = first; i <= last; ++i) pages.push_back(keys[i].start);
    }
    first = last + 1;
  }
  std::ranges::sort(pages);
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
  std::erase_if(pages, [&](std::uint64_t page) { return !memory.contains(PhysAddr(page), kPage); });
  return pages;
}

// The words of a page that are not zero; damage elsewhere would mostly go unread.
std::vector<std::uint64_t> used_words(sim::PhysicalMemory& memory, std::uint64_t page) {
  std::vector<std::uint64_t> words;
  for (std::uint64_t at = page; at < page + kPage; at += 8) {
    if (test::word(memory, at) != 0) words.push_back(at);
  }
  return words;
}

enum class Damage : std::uint8_t {
  kBit,
  kOutside,
  kItself,
  kOther,
  kUnaligned,
  kOnes,
  kCut,
  kCount
};

void damage(sim::PhysicalMemory& memory, const std::vector<std::uint64_t>& pages,
            sim::Random& random) {
  const std::uint64_t page = pages[random.below(pages.size())];
  const std::vector<std::uint64_t> words = used_words(memory, page);
  if (words.empty()) return;
  const std::uint64_t at = words[random.below(words.size())];
  const std::uint64_t old = test::word(memory, at);
  const auto put = [&](std::uint64_t value) { memory.store<std::uint64_t>(PhysAddr(at), value); };
  const auto kind = static_cast<Damage>(random.below(static_cast<std::uint64_t>(Damage::kCount)));
  const std::uint64_t bit = random.below(64);
  const std::uint64_t other = pages[random.below(pages.size())];
  switch (kind) {
    case Damage::kBit:
      return put(old ^ std::uint64_t{1} << bit);
    case Damage::kOutside:
      return put(0x0000'7FFF'FFFF'F000);
    case Damage::kItself:
      return put(page);
    case Damage::kOther:
      return put(other);
    case Damage::kUnaligned:
      return put(old + 1 + bit);
    case Damage::kOnes:
      return put(~std::uint64_t{0});
    case Damage::kCut:
      for (const std::uint64_t word : words) {
        if (word >= at) memory.store<std::uint64_t>(PhysAddr(word), 0);
      }
      return;
    case Damage::kCount:
      return;
  }
}

void damage_and_run(unsigned tries) {
  const Loaded loaded = check_scenario(
      testing::source_dir() + "/scenarios/quickstart.yaml",
      {"vms[0].memory=16MiB", "vms[0].workload.rate=10MB/s", "vms[0].workload.depth=4"});
  REQUIRE(loaded.good());
  std::vector<std::uint64_t> pages;
  RunOptions look;
  look.at_jump = [&](sim::PhysicalMemory& memory, const host::KexecImage& image) {
    pages = structure_pages(memory, image);
  };
  const RunResult intact = run_scenario(loaded, look);
  REQUIRE(pages.size() > 20);

  unsigned noticed = 0;
  for (unsigned i = 0; i < tries; ++i) {
    sim::Random random(i, "hostile-memory");
    RunOptions hostile;
    hostile.at_jump = [&](sim::PhysicalMemory& memory, const host::KexecImage&) {
      const std::uint64_t count = 1 + random.below(3);
      for (std::uint64_t n = 0; n < count; ++n) damage(memory, pages, random);
    };
    INFO("try " << i);
    try {
      const RunResult result = run_scenario(loaded, hostile);
      if (result.fingerprint != intact.fingerprint) ++noticed;
    } catch (const std::exception& bug) {
      FAIL_CHECK(bug.what());
    }
  }
  CHECK(noticed > tries / 4);
}

// A process that hands a bound and attached device over and takes it back, without a guest: small
// records of every kind, and nothing else.
constexpr std::string_view kDeviceScenario = R"(baton: 1
title: t
machine:
  memory: 4GiB
  topology: {lspci: hosts/flat.lspci, add: [{kind: dsa, name: dsa0, bus: 0x6a, device: 1}]}
kernels: [{preset: vision}]
policies: {driver_binding: first-match}
processes:
  - name: sender
    calls:
      - {open: /sys/bus/pci/drivers/vfio-pci/new_id, as: id}
      - {write: id, text: "8086 0b25"}
      - {open: /dev/liveupdate, as: luo}
      - {memfd_create: m, flags: [MFD_ALLOW_SEALING], as: m}
      - {ftruncate: m, length: 4KiB}
      - {fcntl: m, seals: [F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW]}
      - {open: /dev/iommu, as: i}
      - {open: /dev/vfio/devices/vfio0, as: c}
      - {ioctl: IOMMU_IOAS_ALLOC, on: i, as: a}
      - {ioctl: VFIO_DEVICE_BIND_IOMMUFD, on: c, iommufd: i, as: d}
      - {ioctl: IOMMU_HWPT_ALLOC, on: i, dev_id: d, pt_id: a, as: h}
      - {ioctl: VFIO_DEVICE_ATTACH_IOMMUFD_PT, on: c, pt_id: h}
      - {ioctl: IOMMU_IOAS_MAP_FILE, on: i, flags: 7, ioas_id: a, fd: m, length: 4KiB, iova: 4GiB}
      - {ioctl: IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE, on: i, hwpt_id: h, hwpt_token: 9}
      - {ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: s, as: s}
      - {ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: m, token: 1}
      - {ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: i, token: 2}
      - {ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: c, token: 3}
      - {kexec_file_load: next}
      - {reboot: kexec}
  - name: heir
    kernel: 1
    calls:
      - {open: /sys/bus/pci/drivers/vfio-pci/new_id, as: id}
      - {write: id, text: "8086 0b25"}
      - {open: /dev/liveupdate, as: luo}
      - {ioctl: LIVEUPDATE_IOCTL_RETRIEVE_SESSION, on: luo, name: s, as: s}
      - {ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 1, as: m}
      - {ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 2, as: i}
      - {ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 3, as: c}
      - {ioctl: VFIO_DEVICE_BIND_IOMMUFD, on: c, iommufd: i}
      - {ioctl: LIVEUPDATE_SESSION_FINISH, on: s}
expect: [{holds: all}]
)";

// Bytes that somebody wrote, in preserved pages with at most this many words of them.
std::vector<std::uint64_t> record_bytes(sim::PhysicalMemory& memory,
                                        const host::KexecImage& image) {
  constexpr std::size_t kWordsMost = 48;
  std::vector<std::uint64_t> bytes;
  for (const test::Key& key : test::preserved_blocks(memory, image)) {
    if (key.order != 0 || !memory.contains(PhysAddr(key.start), kPage)) continue;
    const std::vector<std::uint64_t> words = used_words(memory, key.start);
    if (words.size() > kWordsMost) continue;
    for (const std::uint64_t word : words) {
      for (std::uint64_t at = word; at < word + 8; ++at) bytes.push_back(at);
    }
  }
  std::ranges::sort(bytes);
  return bytes;
}

void damage_each_byte(std::size_t step) {
  const Loaded loaded = check_scenario_text("device.yaml", std::string(kDeviceScenario),
                                            testing::source_dir() + "/scenarios");
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  std::vector<std::uint64_t> bytes;
  RunOptions look;
  look.at_jump = [&](sim::PhysicalMemory& memory, const host::KexecImage& image) {
    bytes = record_bytes(memory, image);
  };
  REQUIRE(run_scenario(loaded, look).passed());
  REQUIRE(bytes.size() > 400);  // LUO, memfd, PCI, IOMMU, iommufd and VFIO have left theirs
  std::size_t noticed = 0;
  std::size_t tried = 0;
  for (std::size_t i = 0; i < bytes.size(); i += step) {
    RunOptions hostile;
    hostile.at_jump = [&](sim::PhysicalMemory& memory, const host::KexecImage&) {
      const PhysAddr at(bytes[i]);
      const auto old = memory.load<std::uint8_t>(at);
      memory.store<std::uint8_t>(at, static_cast<std::uint8_t>(old ^ 0xA5U));
    };
    INFO("byte at " << bytes[i]);
    ++tried;
    try {
      if (!run_scenario(loaded, hostile).passed()) ++noticed;
    } catch (const std::exception& bug) {
      FAIL_CHECK(bug.what());
    }
  }
  CHECK(noticed > tried / 4);
}

}  // namespace

TEST_CASE("a damaged byte of any record of a device is refused, or survived, by every reader") {
  damage_each_byte(11);
}

TEST_CASE("each byte of each record of a device", "[.thousands]") { damage_each_byte(1); }

TEST_CASE(
    "damaged preserved memory is refused, or survived, and never a crash or a hang of baton") {
  damage_and_run(160);
}

TEST_CASE("thousands of damages to preserved memory", "[.thousands]") { damage_and_run(5000); }
