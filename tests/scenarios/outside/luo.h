// The outside reader: LUO's sessions, files and FLBs, and the records of files that need nothing
// but themselves [linux include/linux/kho/abi/luo.h, memfd.h; posted vfio v5, iommu v5].
#pragma once

#include "tests/scenarios/outside/image.h"

namespace outside {

inline void check_session(World& world, Word entry, std::set<std::string>& names) {
  const std::string name = world.name_field(entry, 64, "a session");
  world.expect(!name.empty() && names.insert(name).second, "session name \"{}\" is empty or taken",
               name);
  std::set<Word> tokens;
  Word files = 0;
  world.chain(world.image.word(entry + 64), 64, "files of " + name, [&](Word at) {
    const std::string compatible = world.name_field(at, 48, "a file of " + name);
    const Word token = world.image.word(at + 56);
    world.expect(tokens.insert(token).second, "token {} is taken twice in {}", token, name);
    world.files.push_back({name, compatible, world.image.word(at + 48), token});
    ++files;
  });
  world.expect(files == world.image.word(entry + 72), "session {} claims {} files and has {}", name,
               world.image.word(entry + 72), files);
}

inline void check_luo(World& world, Word luo) {
  if (!world.explain(luo, "struct luo_ser")) return;
  world.expect(world.name_field(luo, 8, "struct luo_ser") == "luo-v5", "LUO is not luo-v5");
  world.expect(world.image.word(luo + 8) >= 1, "the live update number is 0");
  world.zero_behind(luo + 32, "struct luo_ser");
  std::set<std::string> names;
  world.chain(world.image.word(luo + 16), 80, "sessions",
              [&](Word entry) { check_session(world, entry, names); });
  const Word page = world.image.word(luo + 24);
  if (!world.explain(page, "FLB page")) return;
  const Word count = world.image.word(page + 8);
  if (world.image.word(page) != 1 || count > 63) {
    return world.error("the FLB page claims {} pages and {} entries", world.image.word(page),
                       count);
  }
  for (Word i = 0; i < count; ++i) {
    const Word entry = page + 16 + i * 64;
    const std::string name = world.name_field(entry, 48, "an FLB");
    const Flb flb{world.image.word(entry + 48), world.image.word(entry + 56)};
    world.expect(flb.count >= 1, "FLB {} depends on no file", name);
    world.expect(world.flbs.emplace(name, flb).second, "FLB {} is there twice", name);
  }
  world.zero_behind(page + 16 + count * 64, "FLB page");
}

// The pages of a folio array, by its vmalloc descriptor: chunks of 511 addresses, the last one
// never full.
inline std::vector<Word> vmalloc_pages(World& world, Word descriptor, Word total,
                                       const std::string& owner) {
  std::vector<Word> pages;
  world.expect(world.image.number(descriptor + 8, 4) == total &&
                   world.image.number(descriptor + 12, 2) == 1 &&
                   world.image.number(descriptor + 14, 2) == 0,
               "{}: the vmalloc descriptor is not one of {} single pages", owner, total);
  Word chunks = 0;
  for (Word chunk = world.image.word(descriptor); chunk != 0; chunk = world.image.word(chunk)) {
    if (!world.explain(chunk, owner + ": vmalloc chunk")) return pages;
    ++chunks;
    Word used = 0;
    for (; used < 511 && world.image.word(chunk + 8 + 8 * used) != 0; ++used) {
      pages.push_back(world.image.word(chunk + 8 + 8 * used));
      world.explain(pages.back(), owner + ": folio array");
    }
    world.zero_behind(chunk + 8 + 8 * used, owner);
  }
  world.expect(pages.size() == total && chunks == total / 511 + 1,
               "{}: {} pages in {} vmalloc chunks instead of {}", owner, pages.size(), chunks,
               total);
  return pages;
}

inline void check_memfd(World& world, const File& file) {
  const std::string owner = fmt::format("memfd {} of {}", file.token, file.session);
  if (!world.explain(file.data, owner)) return;
  const Image& image = world.image;
  const Word size = image.word(file.data + 8);
  const Word folios = image.word(file.data + 24);
  world.expect((image.number(file.data + 16, 4) & ~Word{0x3F}) == 0, "{}: unknown seals", owner);
  world.expect(image.number(file.data + 20, 4) == 0, "{}: flags are not 0", owner);
  world.zero_behind(file.data + 48, owner);
  std::vector<Word>& place = world.memfds[{file.session, file.token}];
  if (folios == 0) {
    world.expect(size == 0 && image.word(file.data + 32) == 0 && image.word(file.data + 40) == 0,
                 "{}: an empty file with a descriptor", owner);
    return;
  }
  const Word total = (folios * 16 + kPage - 1) / kPage;
  const std::vector<Word> array = vmalloc_pages(world, file.data + 32, total, owner);
  if (array.size() != total) return;
  for (Word i = 0; i < folios; ++i) {
    const Word record = array[i / 256] + i % 256 * 16;
    const Word word = image.word(record);
    const Word start = (word & ((Word{1} << 52) - 1)) << 12;
    world.expect(word >> 52 == 3, "{}: folio {} is not dirty and uptodate", owner, i);
    world.expect(image.word(record + 8) == place.size(),
                 "{}: folio {} is at page {}, the one before ends at {}", owner, i,
                 image.word(record + 8), place.size());
    if (!world.claim(start, owner + ": folio")) return;
    for (Word page = 0; page < Word{1} << world.keys[start].order; ++page) {
      place.push_back(start + page * kPage);
    }
  }
  world.zero_behind(array.back() + ((folios - 1) % 256 + 1) * 16, owner);
  world.expect(place.size() >= (size + kPage - 1) / kPage, "{}: {} pages for {} bytes", owner,
               place.size(), size);
}

inline void check_files(World& world) {
  std::set<Word> owners;
  for (const File& file : world.files) {
    const std::string owner = fmt::format("{} {} of {}", file.compatible, file.token, file.session);
    if (file.compatible == "memfd-v2") {
      check_memfd(world, file);
    } else if (file.compatible == "vfio-pci-v1" || file.compatible == "pci-lu-stub-v1") {
      if (world.explain(file.data, owner)) world.zero_behind(file.data + 6, owner);
    } else if (file.compatible == "pci-lu-stub-pf-v1") {
      if (world.explain(file.data, owner)) world.zero_behind(file.data + 8, owner);
    } else if (file.compatible == "iommufd-v1") {
      // The token becomes the owner of the devices' DMA: unique over all sessions, and not 0.
      world.expect(file.token != 0 && owners.insert(file.token).second,
                   "{}: the token is 0 or another iommufd's", owner);
      const Word hwpts = world.image.word(file.data);
      const Word bytes = 8 + 24 * hwpts;
      const auto order = static_cast<unsigned>(std::bit_width((bytes + kPage - 1) / kPage - 1));
      if (!world.explain(file.data, owner, order)) continue;
      world.zero_behind(file.data + bytes, owner);
      for (Word i = 0; i < hwpts; ++i) {
        world.expect(world.image.word(file.data + 8 + 24 * i + 16) == 0,
                     "{}: HWPT {} is reclaimed already", owner, i);
      }
    } else {
      world.error("{}: unknown compatible", owner);
    }
  }
}

}  // namespace outside
