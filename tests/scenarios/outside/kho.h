// The outside reader: KHO. Scratch table, root FDT (read by hand), the radix tree, kexec-metadata
// [linux include/linux/kho/abi/kexec_handover.h, kexec_metadata.h; Devicetree 0.4, 5].
#pragma once

#include "tests/scenarios/outside/image.h"

namespace outside {

struct Property {
  std::string name;
  std::string value;
};
struct Node {
  std::string name;
  std::vector<Property> properties;
};

class FdtReader {
 public:
  FdtReader(World& world, Word address) : world_(world), at_(address) {}

  // The root node first, its children after it.
  std::vector<Node> read() {
    const Word total = be(4);
    world_.expect(be(0) == 0xD00DFEED && total <= kPage, "no FDT at {:#x}", at_);
    world_.expect(be(20) == 17 && be(24) == 16 && be(28) == 0 && be(16) == 40 && be(8) == 56,
                  "the FDT header is not what libfdt writes");
    world_.expect(world_.image.word(at_ + 40) == 0 && world_.image.word(at_ + 48) == 0,
                  "the reserve map is not empty");
    world_.zero_behind(at_ + total, "root FDT");
    std::vector<Node> nodes;
    Word place = be(8);
    unsigned depth = 0;
    for (unsigned tokens = 0; tokens < 1024; ++tokens) {
      const Word token = be(place);
      place += 4;
      if (token == 1) {
        nodes.push_back({text(place), {}});
        place += (nodes.back().name.size() + 4) / 4 * 4;
        world_.expect(++depth <= 2, "the FDT has nodes below its blobs");
      } else if (token == 2) {
        --depth;
      } else if (token == 3) {
        const Word length = be(place);
        nodes.back().properties.push_back(
            {text(be(12) + be(place + 4)), world_.image.text(at_ + place + 8, length)});
        place += 8 + (length + 3) / 4 * 4;
      } else {
        world_.expect(token == 9 && depth == 0, "the FDT has no end");
        return nodes;
      }
    }
    return nodes;
  }

 private:
  Word be(Word offset) const {
    return __builtin_bswap32(static_cast<std::uint32_t>(world_.image.number(at_ + offset, 4)));
  }
  std::string text(Word offset) const {
    const std::string rest = world_.image.text(at_ + offset, kPage - offset);
    return rest.substr(0, std::min(rest.find('\0'), rest.size()));
  }

  World& world_;
  Word at_;
};

inline Word number_of(World& world, const Node& node, std::size_t index, const char* name) {
  const bool there = node.properties.size() > index && node.properties[index].name == name &&
                     node.properties[index].value.size() == 8;
  world.expect(there, "node \"{}\" has no property {} of 8 bytes at place {}", node.name, name,
               index);
  Word value = 0;
  if (there) std::memcpy(&value, node.properties[index].value.data(), 8);
  return value;
}

// Levels 5 to 1 are tables of 512 addresses, level 0 is a bitmap. A key is the number of a block
// with bit 52 - order set above it.
inline void read_tree(World& world, Word table, unsigned level, Word prefix) {
  if (table % kPage != 0 || !world.image.has(table, kPage)) {
    return world.error("a tree page at {:#x} is not in the core file", table);
  }
  world.tree_pages.push_back(table);
  for (Word i = 0; i < 512; ++i) {
    const Word word = world.image.word(table + 8 * i);
    if (level > 0 && word != 0) {
      world.expect(level != 5 || i <= 3, "root index {} of the tree is in use", i);
      read_tree(world, word, level - 1, prefix << 9 | i);
    }
    for (Word bits = level == 0 ? word : 0; bits != 0; bits &= bits - 1) {
      const Word key = prefix << 15 | i * 64 | static_cast<Word>(std::countr_zero(bits));
      const auto order = static_cast<unsigned>(53 - std::bit_width(key));
      const Word start = (key ^ Word{1} << (52 - order)) << (12 + order);
      const bool fresh = world.keys.emplace(start, Key{order, {}}).second;
      world.expect(fresh, "two keys for the block at {:#x}", start);
    }
  }
}

inline void check_scratch(World& world) {
  struct Range {
    Word start, end;
  };
  std::vector<Range> areas;
  const Word table = world.told("scratch");
  const Word bytes = world.told("scratch_len");
  world.expect(bytes % 16 == 0 && bytes >= 48, "the scratch table has {} bytes", bytes);
  for (Word i = 0; i < bytes / 16; ++i) {
    const Word start = world.image.word(table + 16 * i);
    const Word size = world.image.word(table + 16 * i + 8);
    world.expect(size != 0 && start % (4 << 20) == 0 && size % (4 << 20) == 0,
                 "scratch area {} is {:#x}+{:#x}", i, start, size);
    for (const Range& other : areas) {
      world.expect(start >= other.end || other.start >= start + size, "scratch areas overlap");
    }
    areas.push_back({start, start + size});
  }
  world.expect(areas.front().end <= Word{4} << 30, "the lowmem scratch is above 4 GiB");
  const auto outside_of_scratch = [&](Word start, Word length, const char* what) {
    for (const Range& area : areas) {
      world.expect(start >= area.end || area.start >= start + length, "{} at {:#x} is in scratch",
                   what, start);
    }
  };
  for (const auto& [start, key] : world.keys) {
    outside_of_scratch(start, kPage << key.order, "a preserved block");
  }
  for (const Word page : world.tree_pages) outside_of_scratch(page, kPage, "a tree page");
  // Blocks are sorted: one that reaches into the next overlaps.
  Word end = 0;
  for (const auto& [start, key] : world.keys) {
    world.expect(start >= end, "the block at {:#x} lies in another", start);
    end = start + (kPage << key.order);
  }
}

inline void check_metadata(World& world, Word blob, Word size) {
  if (!world.explain(blob, "kexec-metadata")) return;
  world.expect(
      size == 73 && world.image.number(blob, 4) == 1 && world.image.number(blob + 69, 4) >= 1,
      "kexec-metadata has another version or size");
  world.name_field(blob + 4, 65, "kexec-metadata");
  world.zero_behind(blob + 73, "kexec-metadata");
}

// Address of the blob "LUO"; 0 without one.
inline Word check_kho(World& world) {
  const Word fdt = world.told("kho_fdt");
  world.expect(world.told("kho_fdt_size") == kPage, "the FDT is not passed as one page");
  const std::vector<Node> nodes = FdtReader(world, fdt).read();
  if (nodes.empty()) return 0;
  const Node& root = nodes.front();
  world.expect(root.name.empty() && root.properties.size() == 2 &&
                   root.properties.front().name == "compatible" &&
                   root.properties.front().value == std::string("kho-v4", 7),
               "the root node is not that of kho-v4");
  read_tree(world, number_of(world, root, 1, "preserved-memory-map"), 5, 0);
  world.explain(fdt, "root FDT");
  check_scratch(world);
  Word luo = 0;
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    const Word size = number_of(world, nodes[i], 0, "blob-size");
    const Word blob = number_of(world, nodes[i], 1, "preserved-data");
    if (nodes[i].name == "kexec-metadata") {
      check_metadata(world, blob, size);
    } else if (nodes[i].name == "LUO") {
      world.expect(size == 32, "the blob LUO has {} bytes", size);
      luo = blob;
    } else {
      world.error("blob \"{}\" is unknown", nodes[i].name);
    }
  }
  return luo;
}

}  // namespace outside
