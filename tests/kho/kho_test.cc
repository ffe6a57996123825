// KHO over two kernels: what is preserved stays, what is not is gone [linux
// kernel/liveupdate/kexec_handover.c].
#include "model/kho/kho.h"

#include "model/kho/root_fdt.h"
#include "tests/support/two_kernels.h"

namespace {

using namespace baton;
using linux::Errno;
using test::KhoKernel;
using World = test::TwoKernels<KhoKernel>;

constexpr std::uint64_t kMagic = 0x5245'5645'4F46'4C41;

// What the test, not the kernels, remembers of the first generation.
struct Notes {
  PhysAddr a;
  PhysAddr b;
  PhysAddr free_tree;
  kho::VmallocDescriptor vmalloc;
  std::vector<PhysAddr> pages;
  std::uint64_t count = 0;
};

World::Body with(Co<> (*body)(KhoKernel&, Notes&), Notes& notes) {
  return [body, &notes](KhoKernel& kernel) { return body(kernel, notes); };
}

Co<> preserve_one_of_two(KhoKernel& kernel, Notes& notes) {
  notes.a = *kernel.services.pages().allocate(2, "kept");
  notes.b = *kernel.services.pages().allocate(0, "lost");
  kernel.port.ram().store(notes.a + 0x3000, kMagic);
  kernel.port.ram().store(notes.b, kMagic);
  CHECK(kernel.kho.preserve_folio(notes.a, 2));
  co_await kernel.jump();
}

Co<> find_one_of_two(KhoKernel& kernel, Notes& notes) {
  CHECK(kernel.kho.is_kho_boot());
  CHECK(kernel.kho.kexec_count() == 1);
  CHECK(kernel.port.ram().load<std::uint64_t>(notes.a + 0x3000) == kMagic);
  CHECK(kernel.port.ram().load<std::uint64_t>(notes.b) != kMagic);
  CHECK(!kernel.kho.restore_folio(notes.b));
  CHECK(!kernel.kho.restore_folio(notes.a + 0x1000));  // a tail page
  CHECK(kernel.kho.restore_folio(notes.a) == 2U);
  CHECK(!kernel.kho.restore_folio(notes.a));  // once
  CHECK(kernel.services.pages().is_allocated(notes.a));
  kernel.services.pages().free(notes.a);
  co_return;
}

}  // namespace

TEST_CASE("a preserved folio is found again, once, and everything else is overwritten") {
  Notes notes;
  World world({with(preserve_one_of_two, notes), with(find_one_of_two, notes)});
  world.run();
  CHECK(world.completed(1));
}

TEST_CASE("a page run is cut into the largest aligned blocks and restored as single pages") {
  Notes notes;
  const auto first = [](KhoKernel& kernel, Notes& out) -> Co<> {
    const PhysAddr block = *kernel.services.pages().allocate(4, "run");
    out.a = block + 0x1000;  // 15 pages: 1 + 2 + 4 + 8
    for (std::uint64_t i = 0; i < 15; ++i) {
      kernel.port.ram().store(out.a + i * 4096, kMagic + i);
    }
    CHECK(kernel.kho.preserve_pages(out.a, 15));
    co_await kernel.jump();
  };
  const auto second = [](KhoKernel& kernel, Notes& out) -> Co<> {
    CHECK(!kernel.kho.restore_pages(out.a, 0));
    CHECK(!kernel.kho.restore_pages(PhysAddr(kernel.port.ram().size()), 1));
    CHECK(kernel.kho.restore_pages(out.a, 15));
    for (std::uint64_t i = 0; i < 15; ++i) {
      CHECK(kernel.port.ram().load<std::uint64_t>(out.a + i * 4096) == kMagic + i);
      kernel.services.pages().free(out.a + i * 4096);
    }
    CHECK(!kernel.kho.restore_pages(out.a, 15));
    co_return;
  };
  World world({with(first, notes), with(second, notes)});
  world.run();
  CHECK(world.completed(1));
}

TEST_CASE("a vmalloc area of 511 pages takes two chunks and comes back in order") {
  Notes notes;
  const auto first = [](KhoKernel& kernel, Notes& out) -> Co<> {
    for (int i = 0; i < 511; ++i) {
      out.pages.push_back(*kernel.services.pages().allocate(0, "area"));
    }
    const auto descriptor = kernel.kho.preserve_vmalloc(out.pages);
    CHECK(descriptor.has_value());
    out.vmalloc = *descriptor;
    CHECK(kernel.port.ram().load<std::uint64_t>(out.vmalloc.first_chunk) != 0);
    co_await kernel.jump();
  };
  const auto second = [](KhoKernel& kernel, Notes& out) -> Co<> {
    kho::VmallocDescriptor bad = out.vmalloc;
    bad.flags = 4;
    CHECK(!kernel.kho.restore_vmalloc(bad));
    bad = out.vmalloc;
    bad.total_pages = UINT32_MAX;
    CHECK(!kernel.kho.restore_vmalloc(bad));
    bad = out.vmalloc;
    bad.first_chunk = PhysAddr(0xDEAD'0000'0000'0000);
    CHECK(!kernel.kho.restore_vmalloc(bad));
    const auto pages = kernel.kho.restore_vmalloc(out.vmalloc);
    CHECK(pages.has_value());
    CHECK((pages && *pages == out.pages));
    CHECK(!kernel.kho.restore_vmalloc(out.vmalloc));
    co_return;
  };
  World world({with(first, notes), with(second, notes)});
  world.run();
  CHECK(world.completed(1));
}

TEST_CASE("unpreserving a vmalloc area leaves no key behind and frees its chunks") {
  Notes notes;
  const auto body = [](KhoKernel& kernel, Notes&) -> Co<> {
    std::vector<PhysAddr> pages(3);
    for (PhysAddr& page : pages) {
      page = *kernel.services.pages().allocate(0, "area");
    }
    static_cast<void>(kernel.kho.preserve_folio(pages[0], 0));  // makes the tree's tables
    const auto before = kernel.services.pages().free_pages();
    const auto descriptor = kernel.kho.preserve_vmalloc(pages);
    CHECK(kernel.services.pages().free_pages() == before - 1);
    kernel.kho.unpreserve_vmalloc(*descriptor);
    CHECK(kernel.services.pages().free_pages() == before);
    co_return;
  };
  World world({with(body, notes)});
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("blobs are named once, found by the next kernel, and gone when removed") {
  Notes notes;
  const auto first = [](KhoKernel& kernel, Notes& out) -> Co<> {
    out.a = *kernel.kho.alloc_preserve(100, "blob");
    kernel.port.ram().store(out.a, kMagic);
    CHECK(kernel.kho.add_subtree("one", out.a, 100));
    CHECK(kernel.kho.add_subtree("one", out.a, 100).error() == Errno::kExist);
    const PhysAddr other = *kernel.kho.alloc_preserve(100, "blob");
    CHECK(kernel.kho.add_subtree("two", other, 100));
    kernel.kho.remove_subtree(other);
    kernel.kho.remove_subtree(other);  // silent
    co_await kernel.jump();
  };
  const auto second = [](KhoKernel& kernel, Notes& out) -> Co<> {
    const auto blob = kernel.kho.retrieve_subtree("one");
    CHECK((blob && blob->address == out.a && blob->size == 100));
    CHECK(kernel.kho.retrieve_subtree("two").error() == Errno::kNoEnt);
    CHECK(kernel.port.ram().load<std::uint64_t>(out.a) == kMagic);
    kernel.kho.restore_free(out.a);
    co_return;
  };
  World world({with(first, notes), with(second, notes)});
  world.run();
  CHECK(world.completed(1));
}

TEST_CASE("the root FDT takes blobs until its page is full, and then none is half there") {
  std::array<std::byte, 4096> page{};
  REQUIRE(kho::create_root_fdt(page, PhysAddr(0x5000)));
  int added = 0;
  linux::Result<> result;
  while (result) {
    const std::string name = fmt::format("blob-with-a-long-name-{:04}", added);
    result = kho::add_blob(page, name, {PhysAddr(0x1000), 1});
    added += result ? 1 : 0;
  }
  CHECK(result.error() == Errno::kNoMem);
  CHECK(added > 40);
  CHECK(kho::find_blob(page, fmt::format("blob-with-a-long-name-{:04}", added)).error() ==
        Errno::kNoEnt);
  CHECK(kho::find_blob(page, "blob-with-a-long-name-0000").has_value());
  CHECK(kho::memory_map_of(page) == PhysAddr(0x5000));
  // Equal state is equal bytes: one blob added and removed leaves no trace.
  std::array<std::byte, 4096> fresh{};
  REQUIRE(kho::create_root_fdt(fresh, PhysAddr(0x5000)));
  const auto before = fresh;
  REQUIRE(kho::add_blob(fresh, "a", {PhysAddr(0x1000), 1}));
  REQUIRE(kho::add_blob(fresh, "b", {PhysAddr(0x2000), 1}));
  kho::remove_blob(fresh, PhysAddr(0x1000));
  const auto one_left = fresh;
  std::array<std::byte, 4096> direct = before;
  REQUIRE(kho::add_blob(direct, "b", {PhysAddr(0x2000), 1}));
  CHECK(one_left == direct);
}

TEST_CASE("refusals of preserving: no size, too large, KHO off") {
  Notes notes;
  const auto body = [](KhoKernel& kernel, Notes&) -> Co<> {
    CHECK(kernel.kho.alloc_preserve(0, "none").error() == Errno::kInval);
    CHECK(kernel.kho.alloc_preserve(8 << 20, "large").error() == Errno::kTooBig);
    co_return;
  };
  World world({with(body, notes)});
  world.run();
  CHECK(world.completed(0));

  test::WorldConfig off;
  off.command_lines = {"kho=off"};
  const auto without = [](KhoKernel& kernel, Notes&) -> Co<> {
    CHECK(!kernel.kho.enabled());
    CHECK(kernel.kho.scratch().empty());
    CHECK(kernel.kho.preserve_folio(PhysAddr(0x100000), 0).error() == Errno::kInval);
    CHECK(kernel.kho.alloc_preserve(1, "one").error() == Errno::kInval);
    CHECK(kernel.kho.add_subtree("one", PhysAddr(0x100000), 1).error() == Errno::kInval);
    CHECK(kernel.kho.retrieve_subtree("one").error() == Errno::kNoEnt);
    const auto image = kernel.kho.load_image(1, "");
    CHECK((image && image->setup_data.value() == 0));
    co_return;
  };
  World world_off({with(without, notes)}, off);
  world_off.run();
  CHECK(world_off.completed(0));
}

TEST_CASE("an image lies in scratch alone, over a chain of kernels, and says so when it cannot") {
  Notes notes;
  const auto link = [](KhoKernel& kernel, Notes& out) -> Co<> {
    const auto image = kernel.kho.load_image(1, "");
    CHECK(image.has_value());
    for (const sim::PhysRange& segment : image->segments) {
      bool inside = false;
      for (const sim::PhysRange& area : kernel.kho.scratch()) {
        inside = inside || (segment.start >= area.start && segment.end() <= area.end());
      }
      CHECK(inside);
      for (const sim::PhysRange& own : kernel.handoff.segments) {
        CHECK((segment.end() <= own.start || own.end() <= segment.start));
      }
    }
    CHECK(kernel.kho.kexec_count() == out.count);
    ++out.count;
    co_await kernel.jump();
  };
  const auto last = [](KhoKernel& kernel, Notes&) -> Co<> {
    CHECK(kernel.kho.scratch().size() == 3);
    co_return;
  };
  World world({with(link, notes), with(link, notes), with(link, notes), with(last, notes)});
  world.run();
  CHECK(world.completed(3));
  CHECK(notes.count == 3);

  test::WorldConfig small;
  small.command_lines = {"kho_scratch=4M,4M,4M"};
  const auto refused = [](KhoKernel& kernel, Notes&) -> Co<> {
    CHECK(kernel.kho.load_image(1, "").error() == Errno::kAddrNotAvail);
    co_return;
  };
  World world_small({with(refused, notes)}, small);
  world_small.run();
  CHECK(world_small.completed(0));
}

TEST_CASE("with kho=off the next kernel can restore, and hands nothing over itself") {
  Notes notes;
  test::WorldConfig config;
  config.command_lines = {test::kCommandLine, "kho=off"};
  const auto second = [](KhoKernel& kernel, Notes& out) -> Co<> {
    CHECK(kernel.kho.is_kho_boot());
    CHECK(!kernel.kho.enabled());
    CHECK(kernel.kho.restore_folio(out.a) == 2U);
    CHECK(kernel.kho.outgoing_fdt().value() == 0);
    co_return;
  };
  World world({with(preserve_one_of_two, notes), with(second, notes)}, config);
  world.run();
  CHECK(world.completed(1));
}

namespace {

// The first kernel damages its handover in some way; the second must boot.
void damaged_handover(void (*damage)(KhoKernel&, Notes&), bool still_a_kho_boot) {
  Notes notes;
  const auto first = [damage, &notes](KhoKernel& kernel) -> Co<> {
    damage(kernel, notes);
    return kernel.jump();
  };
  const auto second = [still_a_kho_boot](KhoKernel& kernel) -> Co<> {
    CHECK(kernel.kho.is_kho_boot() == still_a_kho_boot);
    CHECK(kernel.kho.enabled());
    return []() -> Co<> { co_return; }();
  };
  World world({first, second});
  world.run();
  CHECK(world.completed(1));
}

}  // namespace

TEST_CASE("a damaged handover is a plain boot, never a crash") {
  SECTION("FDT of garbage") {
    damaged_handover(
        [](KhoKernel& kernel, Notes&) {
          kernel.port.ram().store(kernel.kho.outgoing_fdt(), std::uint64_t{0x12345678});
        },
        false);
  }
  SECTION("FDT that claims to be larger than its page") {
    damaged_handover(
        [](KhoKernel& kernel, Notes&) {
          kernel.port.ram().store(kernel.kho.outgoing_fdt() + 4, std::uint32_t{0x00200000});
        },
        false);
  }
  SECTION("tree root with entries outside RAM") {
    damaged_handover(
        [](KhoKernel& kernel, Notes&) {
          const auto fdt =
              kho::load_fdt(kernel.port.ram(), kernel.kho.outgoing_fdt(), sim::kPageSize);
          const PhysAddr root = *kho::memory_map_of(*fdt);
          kernel.port.ram().store(root + 3 * 8, ~std::uint64_t{0xFFF});
        },
        false);
  }
  SECTION("the same page in two blocks") {
    damaged_handover(
        [](KhoKernel& kernel, Notes&) {
          const PhysAddr block = *kernel.services.pages().allocate(1, "twice");
          CHECK(kernel.kho.preserve_folio(block, 1));
          CHECK(kernel.kho.preserve_folio(block + 4096, 0));
        },
        true);
  }
}

TEST_CASE("a root FDT that is not preserved is gone once memory is released") {
  Notes notes;
  test::WorldConfig config;
  config.kernels[0].defects.add(linux::Defect::kKhoSkipFdt);
  const auto first = [](KhoKernel& kernel, Notes& out) -> Co<> {
    out.a = *kernel.kho.alloc_preserve(100, "blob");
    CHECK(kernel.kho.add_subtree("one", out.a, 100));
    co_await kernel.jump();
  };
  const auto second = [](KhoKernel& kernel, Notes& out) -> Co<> {
    CHECK(kernel.kho.is_kho_boot());
    CHECK(kernel.kho.retrieve_subtree("one").error() == Errno::kNoEnt);
    CHECK(kernel.kho.restore_folio(out.a) == 0U);  // the blob itself was preserved
    co_return;
  };
  World world({with(first, notes), with(second, notes)}, config);
  world.run();
  CHECK(world.completed(1));
}
