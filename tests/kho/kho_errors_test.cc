// What goes wrong with KHO: memory that runs out at any point, restoring in another way than
// preserving, metadata of another kernel, images that grow over a chain [linux
// kernel/liveupdate/kexec_handover.c].
#include <set>

#include "model/kho/abi.h"
#include "model/kho/block_set.h"
#include "model/kho/kho.h"
#include "model/kho/radix_tree.h"
#include "model/kho/root_fdt.h"
#include "model/kho/scratch.h"
#include "tests/support/two_kernels.h"

namespace {

using namespace baton;
using linux::Errno;
using test::KhoKernel;
using World = test::TwoKernels<KhoKernel>;

// The keys of the outgoing tree, and how many pages it has.
struct Tree {
  std::set<std::pair<std::uint64_t, unsigned>> keys;
  std::uint64_t pages = 0;
};

Tree tree_of(KhoKernel& kernel) {
  Tree tree;
  const auto fdt = kho::load_fdt(kernel.port.ram(), kernel.kho.outgoing_fdt(), sim::kPageSize);
  REQUIRE(fdt.has_value());
  CHECK(kho::walk_preserved(
      kernel.port.ram(), *kho::memory_map_of(*fdt),
      [&](PhysAddr block, unsigned order) { tree.keys.emplace(block.value(), order); },
      [&](PhysAddr) { ++tree.pages; }));
  return tree;
}

// All memory but a few single pages is taken while this lives.
class Shortage {
 public:
  Shortage(linux::PageAllocator& pages, std::size_t left) : pages_(pages) {
    for (unsigned order = linux::kMaxPageOrder + 1; order-- > 0;) {
      for (auto block = pages.allocate(order, "hog"); block; block = pages.allocate(order, "hog")) {
        taken_.push_back(*block);
      }
    }
    for (; left > 0; --left) {
      pages.free(taken_.back());
      taken_.pop_back();
    }
  }
  ~Shortage() {
    for (const PhysAddr block : taken_) {
      pages_.free(block);
    }
  }
  Shortage(const Shortage&) = delete;
  Shortage& operator=(const Shortage&) = delete;

 private:
  linux::PageAllocator& pages_;
  std::vector<PhysAddr> taken_;
};

// `deed` with 0, 1, 2, ... pages left until it succeeds: each failure leaves no key and no page
// behind but tables of the tree, which are never freed. `undo` takes the success back.
template <class Deed, class Undo>
void fails_cleanly(KhoKernel& kernel, std::size_t failures_min, Deed&& deed, Undo&& undo) {
  linux::PageAllocator& pages = kernel.services.pages();
  // Single pages to give away one by one, so that the largest blocks are never split.
  std::size_t failures = 0;
  for (std::size_t left = 0; left < 400; ++left) {
    const Tree before = tree_of(kernel);
    const std::uint64_t free = pages.free_pages() + before.pages;
    linux::Result<> done;
    {
      const Shortage shortage(pages, left);
      done = deed();
    }
    if (done) {
      undo();
      CHECK(tree_of(kernel).keys == before.keys);
      break;
    }
    ++failures;
    CHECK(done.error() == Errno::kNoMem);
    const Tree after = tree_of(kernel);
    CHECK(after.keys == before.keys);
    CHECK(pages.free_pages() + after.pages == free);
  }
  CHECK(failures >= failures_min);
}

World::Body body(std::function<void(KhoKernel&)> what) {
  return [what = std::move(what)](KhoKernel& kernel) {
    return [](KhoKernel& booted, const std::function<void(KhoKernel&)>& inner) -> Co<> {
      inner(booted);
      co_return;
    }(kernel, what);
  };
}

// The same, and then the jump.
World::Body body_and_jump(std::function<void(KhoKernel&)> what) {
  return [what = std::move(what)](KhoKernel& kernel) {
    return [](KhoKernel& booted, const std::function<void(KhoKernel&)>& inner) -> Co<> {
      inner(booted);
      co_await booted.jump();
    }(kernel, what);
  };
}

void run(std::vector<World::Body> bodies, test::WorldConfig config = {}) {
  const auto last = static_cast<unsigned>(bodies.size() - 1);
  World world(std::move(bodies), std::move(config));
  world.run();
  CHECK(world.panic().empty());
  CHECK(world.completed(last));
}

}  // namespace

TEST_CASE("when memory runs out at any point of preserving, nothing is left preserved") {
  run({body([](KhoKernel& kernel) {
    auto& pages = kernel.services.pages();
    const PhysAddr folio = *pages.allocate(3, "folio");
    fails_cleanly(
        kernel, 1, [&] { return kernel.kho.preserve_folio(folio, 3); },
        [&] { kernel.kho.unpreserve_folio(folio, 3); });
    const PhysAddr block = *pages.allocate(4, "run");
    fails_cleanly(
        kernel, 2, [&] { return kernel.kho.preserve_pages(block + 0x1000, 15); },
        [&] { kernel.kho.unpreserve_pages(block + 0x1000, 15); });
    std::vector<PhysAddr> area;
    for (int i = 0; i < 600; ++i) {
      area.push_back(*pages.allocate(0, "area"));
    }
    kho::VmallocDescriptor descriptor;
    fails_cleanly(
        kernel, 2,
        [&]() -> linux::Result<> {
          const auto preserved = kernel.kho.preserve_vmalloc(area);
          if (!preserved) return linux::fail(preserved.error());
          descriptor = *preserved;
          return {};
        },
        [&] { kernel.kho.unpreserve_vmalloc(descriptor); });
    kho::BlockSet set(kernel.services, kernel.kho, 80, "blocks");
    fails_cleanly(kernel, 2, [&] { return set.grow(3 * 51); }, [&] { set.destroy(); });
  })});
}

TEST_CASE(
    "a run restored as a folio gives its first block, a folio restored as pages falls apart") {
  struct Places {
    PhysAddr run;
    PhysAddr folio;
    PhysAddr short_run;
  };
  Places at;
  run({body_and_jump([&](KhoKernel& kernel) {
         at.run = *kernel.services.pages().allocate(3, "run");
         CHECK(kernel.kho.preserve_pages(at.run, 7));  // 4 + 2 + 1
         at.folio = *kernel.services.pages().allocate(2, "folio");
         CHECK(kernel.kho.preserve_folio(at.folio, 2));
         at.short_run = *kernel.services.pages().allocate(2, "short run");
         CHECK(kernel.kho.preserve_pages(at.short_run, 4));
       }),
       body([&](KhoKernel& kernel) {
         linux::PageAllocator& pages = kernel.services.pages();
         CHECK(kernel.kho.restore_folio(at.run) == 2U);
         CHECK(pages.is_allocated(at.run + 0x3000));
         CHECK_FALSE(pages.is_allocated(at.run + 0x4000));
         CHECK(pages.page(at.run).order == 2);
         CHECK_FALSE(kernel.kho.restore_pages(at.run, 7));  // the first block is gone
         CHECK(kernel.kho.restore_pages(at.folio, 4));
         for (std::uint64_t page = 0; page < 4; ++page) {
           CHECK(pages.page(at.folio + page * sim::kPageSize).order == 0);
           CHECK(pages.page(at.folio + page * sim::kPageSize).refcount == 1);
         }
         // A count that is not the one it was preserved with: what comes first stays restored.
         CHECK_FALSE(kernel.kho.restore_pages(at.short_run, 3));
         CHECK(pages.is_allocated(at.short_run));
         CHECK_FALSE(kernel.kho.restore_pages(at.short_run, 4));
       })});
}

TEST_CASE("kexec-metadata of another version or size is ignored, and counting starts anew") {
  for (const bool version : {true, false}) {
    run({body_and_jump([version](KhoKernel& kernel) {
           const PhysAddr fdt = kernel.kho.outgoing_fdt();
           const auto blob = kho::find_blob(*kho::load_fdt(kernel.port.ram(), fdt, sim::kPageSize),
                                            kho::abi::kMetadataName);
           REQUIRE(blob.has_value());
           CHECK(blob->size == 73);
           CHECK(kernel.port.ram().load<std::uint32_t>(blob->address + 69) == 1);
           if (version) {
             kernel.port.ram().store(blob->address, std::uint32_t{2});
           } else {
             kernel.kho.remove_subtree(blob->address);
             CHECK(kernel.kho.add_subtree(kho::abi::kMetadataName, blob->address, 72));
           }
         }),
         body([](KhoKernel& kernel) {
           CHECK(kernel.kho.is_kho_boot());
           CHECK(kernel.kho.kexec_count() == 0);
         })});
  }
}

TEST_CASE("kernels that grow over a chain must fit into the scratch of the first") {
  test::WorldConfig config;
  config.command_lines = {"kho_scratch=16M,32M,16M", "kho_scratch=64M,64M,64M"};
  const auto load = [](KhoKernel& kernel, std::uint64_t mib) {
    return kernel.kho.load_image(1, "", mib << 20);
  };
  run({body_and_jump([&](KhoKernel& kernel) { CHECK(load(kernel, 12)); }),
       body_and_jump([&](KhoKernel& kernel) {
         CHECK(kernel.kho.scratch().front().length == 16 << 20);  // its own size is not asked for
         CHECK(load(kernel, 24));
       }),
       body([&](KhoKernel& kernel) {
         CHECK(kernel.kho.kexec_count() == 2);
         CHECK(load(kernel, 32).error() == Errno::kAddrNotAvail);
         CHECK(load(kernel, 33).error() == Errno::kAddrNotAvail);
         CHECK(load(kernel, 20));
       })},
      config);
}

TEST_CASE("early memory of a new kernel is scratch, and each GiB without anything preserved") {
  constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
  test::WorldConfig config;
  config.memory = 8 * kGiB;
  PhysAddr kept;
  run({body_and_jump([&](KhoKernel& kernel) {
         kept = *kernel.services.pages().allocate(0, "kept");
         CHECK(kernel.kho.preserve_folio(kept, 0));
       }),
       body([&](KhoKernel& kernel) {
         std::uint64_t bytes = 0;
         for (const sim::PhysRange& range : kernel.handover->scratch) {
           bytes += range.length;
           CHECK_FALSE(range.contains(kept));
         }
         // Below 4 GiB there are two GiB of RAM; the preserved page and the pages of KHO are in few
         // of the others.
         CHECK(bytes > 3 * kGiB);
         CHECK(kernel.kho.scratch().size() == 3);
         CHECK(kernel.kho.restore_folio(kept) == 0U);
       })},
      config);
}

TEST_CASE("a tree that leads nowhere extends no scratch") {
  sim::Simulation simulation(1);
  sim::PhysicalMemory ram(std::uint64_t{4} << 30);
  host::MemoryMap map;
  map.entries = {
      {{PhysAddr(0x10'0000), (std::uint64_t{4} << 30) - 0x10'0000}, host::MemoryType::kRam}};
  const PhysAddr root(0x20'0000);
  CHECK(kho::extended_scratch(ram, map, root) ==
        std::vector{sim::PhysRange{PhysAddr(std::uint64_t{1} << 30), std::uint64_t{3} << 30}});
  ram.store(root, ~std::uint64_t{0xFFF});
  CHECK(kho::extended_scratch(ram, map, root).empty());
}

TEST_CASE("block sets cross a kexec at the borders of their blocks") {
  for (const std::size_t count : {1U, 50U, 51U, 52U, 101U, 102U, 103U}) {
    PhysAddr head;
    run({body_and_jump([&](KhoKernel& kernel) {
           kho::BlockSet set(kernel.services, kernel.kho, 80, "blocks");
           CHECK(set.grow(count));
           CHECK(set.blocks().size() == (count + 50) / 51);
           for (std::size_t i = 0; i < count; ++i) {
             std::vector<std::byte> entry(80, static_cast<std::byte>(i));
             set.write_entry(i, entry);
           }
           head = set.head();
         }),
         body([&](KhoKernel& kernel) {
           kho::BlockSet set(kernel.services, kernel.kho, 80, "blocks");
           CHECK(set.restore(head));
           const auto entries = set.entries();
           CHECK(entries.size() == count);
           for (std::size_t i = 0; i < entries.size(); ++i) {
             CHECK(entries[i] == std::vector<std::byte>(80, static_cast<std::byte>(i)));
           }
           CHECK(set.grow(200).error() == Errno::kInval);  // an incoming set does not grow
           set.destroy();
         })});
  }
}
