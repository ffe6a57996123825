// The outside reader: FLB "pci", FLB "iommu-liveupdate" and the tables that remapping hardware
// reads [posted pci v9: include/linux/kho/abi/pci.h; posted iommu v5: include/linux/kho/abi/
// iommu.h; VT-d 9].
#pragma once

#include "tests/scenarios/outside/image.h"

namespace outside {

inline std::string bdf_name(Word segment, Word bdf) {
  return fmt::format("{:04x}:{:02x}:{:02x}.{}", segment, bdf >> 8, bdf >> 3 & 31, bdf & 7);
}

inline std::size_t files_of(const World& world, std::string_view compatible) {
  return static_cast<std::size_t>(std::ranges::count(world.files, compatible, &File::compatible));
}

// Files whose records name a function: those of vfio-pci and of pci-lu-stub, of the same layout.
inline bool names_function(const File& file) {
  return file.compatible == "vfio-pci-v1" || file.compatible == "pci-lu-stub-v1";
}

// Files that keep FLB "pci": also that of a physical function, which is recorded with its virtual
// ones.
inline bool needs_pci(const File& file) {
  return names_function(file) || file.compatible == "pci-lu-stub-pf-v1";
}

// Endpoint first, then the bridges above it that have no record yet.
inline void check_pci(World& world) {
  const auto flb = world.flbs.find("pci");
  if (flb == world.flbs.end()) {
    return world.expect(std::ranges::none_of(world.files, needs_pci),
                        "devices without the FLB pci");
  }
  const Word page = flb->second.data;
  if (!world.explain(page, "struct pci_ser")) return;
  world.zero_behind(page + 16, "struct pci_ser");
  const auto files = static_cast<Word>(std::ranges::count_if(world.files, needs_pci));
  world.expect(flb->second.count == files, "FLB pci counts {} files", flb->second.count);
  std::vector<std::pair<std::string, Word>> expected;
  const boost::json::object& parents = world.handoff.at("pci_parents").as_object();
  for (const File& file : world.files) {
    if (!names_function(file)) continue;
    std::string name =
        bdf_name(world.image.number(file.data, 4), world.image.number(file.data + 4, 2));
    expected.emplace_back(name, 1);
    while (parents.contains(name)) {
      name = std::string(parents.at(name).as_string());
      const auto known = std::ranges::find(expected, name, &std::pair<std::string, Word>::first);
      if (known == expected.end()) {
        expected.emplace_back(name, 1);
      } else {
        ++known->second;
      }
    }
  }
  std::vector<std::pair<std::string, Word>> seen;
  world.chain(world.image.word(page + 8), 8, "pci_dev_ser", [&](Word entry) {
    const Word references = world.image.number(entry + 6, 2);
    if (references == 0) {
      return world.expect(world.image.word(entry) == 0, "a dropped pci_dev_ser is not zero");
    }
    seen.emplace_back(bdf_name(world.image.number(entry, 4), world.image.number(entry + 4, 2)),
                      references);
  });
  world.expect(world.image.number(page, 4) == 2, "pci_ser has version {}",
               world.image.number(page, 4));
  world.expect(world.image.number(page + 4, 4) == seen.size(), "pci_ser counts {} records of {}",
               world.image.number(page + 4, 4), seen.size());
  world.expect(seen == expected, "the records of functions are not those of the preserved devices");
}

// Records behind {next, nr_objects} in pages.
inline std::vector<Word> read_array(World& world, Word page, Word bytes, const std::string& owner) {
  std::vector<Word> records;
  const Word capacity = (kPage - 16) / bytes;
  for (bool first = true; page != 0; page = world.image.word(page), first = false) {
    if (!world.explain(page, owner)) return records;
    const Word count = world.image.word(page + 8);
    const bool full = world.image.word(page) != 0;
    world.expect(count <= capacity && (count != 0 || first) && (!full || count == capacity),
                 "{}: {} objects in a page", owner, count);
    for (Word i = 0; i < std::min(count, capacity); ++i) records.push_back(page + 16 + i * bytes);
    world.zero_behind(page + 16 + std::min(count, capacity) * bytes, owner);
  }
  return records;
}

struct Leaf {
  Word to = 0;
  Word length = 0;
};
using Leaves = std::map<Word, Leaf>;  // by IOVA, neighbours merged

inline void add_leaf(Leaves& leaves, Word iova, Word to, Word length) {
  if (!leaves.empty()) {
    auto& [start, last] = *leaves.rbegin();
    if (start + last.length == iova && last.to + last.length == to) {
      last.length += length;
      return;
    }
  }
  leaves[iova] = {to, length};
}

class IommuReader {
 public:
  explicit IommuReader(World& world) : world_(world), image_(world.image) {}

  void check() {
    const auto flb = world_.flbs.find("iommu-liveupdate");
    if (flb == world_.flbs.end()) {
      return world_.expect(files_of(world_, "iommufd-v1") == 0, "iommufds without their FLB");
    }
    const Word page = flb->second.data;
    if (!world_.explain(page, "iommu_flb_ser")) return;
    world_.zero_behind(page + 32, "iommu_flb_ser");
    world_.expect(image_.word(page) == 1, "iommu_flb_ser has version {}", image_.word(page));
    world_.expect(flb->second.count == files_of(world_, "iommufd-v1"),
                  "FLB iommu-liveupdate counts {} files", flb->second.count);
    units_ = read_array(world_, image_.word(page + 8), 112, "iommu_hw_ser");
    domains_ = read_array(world_, image_.word(page + 16), 37, "iommu_domain_ser");
    devices_ = read_array(world_, image_.word(page + 24), 72, "iommu_device_ser");
    for (const Word domain : domains_) check_domain(domain);
    for (const Word device : devices_) check_device(device);
    for (const Word unit : units_) check_unit(unit);
    check_hwpts();
  }

 private:
  bool deleted(Word record) const { return (image_.number(record + 4, 4) & 1) != 0; }
  static bool holds(const std::vector<Word>& records, Word address) {
    return std::ranges::find(records, address) != records.end();
  }

  void check_domain(Word domain) {
    world_.expect(image_.number(domain, 4) == 1, "domain at {:#x}: ref_count is not 1", domain);
    if (deleted(domain)) return;
    const Word level = image_.word(domain + 16);
    const Word bits = image_.number(domain + 24, 4);
    const bool sign = (image_.number(domain + 28, 1) & 1) != 0;
    world_.expect(level >= 2 && level <= 4 && bits <= 12 + 9 * (level + 1),
                  "domain at {:#x}: {} levels for {} bits", domain, level + 1, bits);
    world_.expect(image_.word(domain + 29) == 0, "domain at {:#x} is restored already", domain);
    Leaves& leaves = leaves_[domain];
    walk(image_.word(domain + 8), level, 0, sign, leaves);
    const Word end = leaves.empty() ? 0 : leaves.rbegin()->first + leaves.rbegin()->second.length;
    world_.expect(end <= Word{1} << (bits - (sign ? 1 : 0)),
                  "domain at {:#x} maps up to {:#x} with {} bits", domain, end, bits);
  }

  // Second stage: present by read or write; first stage: bit 0. Bit 7 above the last level: a leaf.
  void walk(Word table, Word level, Word iova, bool first_stage, Leaves& leaves) {
    if (!world_.explain(table, "page table")) return;
    for (Word i = 0; i < 512; ++i) {
      const Word entry = image_.word(table + 8 * i);
      if ((entry & (first_stage ? 1 : 3)) == 0) continue;
      const Word length = Word{1} << (12 + 9 * level);
      const Word to = entry & 0x000F'FFFF'FFFF'F000;
      if (level > 0 && (entry & 0x80) == 0) {
        walk(to, level - 1, iova + i * length, first_stage, leaves);
      } else {
        add_leaf(leaves, iova + i * length, to, length);
      }
    }
  }

  void check_device(Word device) {
    if (deleted(device)) return;
    world_.expect(image_.number(device, 4) == 1, "device at {:#x}: ref_count is not 1", device);
    world_.expect(holds(domains_, image_.word(device + 24)) && !deleted(image_.word(device + 24)),
                  "device at {:#x} names no live domain record", device);
    world_.expect(holds(units_, image_.word(device + 32)) && !deleted(image_.word(device + 32)),
                  "device at {:#x} names no live unit record", device);
    world_.expect(image_.word(device + 64) == 0, "device at {:#x} is restored already", device);
    const Word token = image_.word(device + 40);
    world_.expect(std::ranges::any_of(world_.files,
                                      [&](const File& file) {
                                        return file.compatible == "iommufd-v1" &&
                                               file.token == token;
                                      }),
                  "device at {:#x} belongs to the token {}, of no iommufd", device, token);
    const std::string name = bdf_name(image_.number(device + 12, 4), image_.number(device + 8, 4));
    world_.expect(std::ranges::any_of(world_.files,
                                      [&](const File& file) {
                                        return file.compatible == "vfio-pci-v1" &&
                                               bdf_name(image_.number(file.data, 4),
                                                        image_.number(file.data + 4, 2)) == name;
                                      }),
                  "device {} has a record and no preserved file", name);
  }

  void check_unit(Word unit) {
    Word references = 0;
    for (const Word device : devices_) {
      references += !deleted(device) && image_.word(device + 32) == unit ? 1U : 0U;
    }
    world_.expect(image_.number(unit, 4) == references, "unit at {:#x} counts {} devices of {}",
                  unit, image_.number(unit, 4), references);
    world_.expect(deleted(unit) == (references == 0), "unit at {:#x} is deleted or not", unit);
    if (deleted(unit)) return;
    const Word base = image_.word(unit + 32);
    const Word root = image_.word(unit + 40);
    world_.expect(
        image_.word(unit + 8) == base && image_.word(unit + 16) == 1 && image_.word(unit + 24) == 0,
        "unit at {:#x}: token, type or restored", unit);
    bool known = false;
    for (const boost::json::value& value : world_.handoff.at("iommu_units").as_array()) {
      const boost::json::object& told = value.as_object();
      if (World::hex(told.at("base")) != base) continue;
      known = true;
      const Word register_value = World::hex(told.at("rtaddr"));
      scalable_ = (register_value >> 10 & 3) == 1;
      world_.expect((register_value & ~Word{0xFFF}) == root,
                    "unit {:#x} translates by the root table {:#x}, its record says {:#x}", base,
                    register_value, root);
    }
    world_.expect(known, "unit {:#x} is not in the host", base);
    walk_root(unit, root);
  }

  void walk_root(Word unit, Word root) {
    if (!world_.explain(root, "root table")) return;
    Word found = 0;
    for (Word half = 0; half < 512; ++half) {
      const Word entry = image_.word(root + 8 * half);
      const bool marked = (image_.word(unit + 48 + half / 64 * 8) >> half % 64 & 1) != 0;
      const bool present = (entry & 1) != 0;
      world_.expect(present == marked && (present || entry == 0),
                    "context table {} of unit {:#x} is present or marked, not both", half,
                    image_.word(unit + 32));
      if (!present || !world_.explain(entry & ~Word{0xFFF}, "context table")) continue;
      const Word entries = scalable_ ? 128 : 256;
      for (Word i = 0; i < entries; ++i) {
        const Word context = (entry & ~Word{0xFFF}) + i * (scalable_ ? 32 : 16);
        const Word bdf = (half / 2) << 8 | (scalable_ ? half % 2 * 128 : 0) | i;
        if ((image_.word(context) & 1) != 0) found += check_context(unit, bdf, context) ? 1U : 0U;
      }
    }
    world_.expect(found == image_.number(unit, 4), "unit at {:#x}: {} of {} devices translate",
                  unit, found, image_.number(unit, 4));
  }

  // True: the entry is that of a device with a record.
  bool check_context(Word unit, Word bdf, Word context) {
    for (const Word device : devices_) {
      if (deleted(device) || image_.word(device + 32) != unit) continue;
      if (image_.number(device + 8, 4) != bdf) continue;
      scalable_ ? check_scalable(device, context) : check_legacy(device, context);
      return true;
    }
    world_.error("a context entry for {:#x} stands without a record", bdf);
    return false;
  }

  void check_legacy(Word device, Word context) {
    const Word domain = image_.word(device + 24);
    const Word low = image_.word(context);
    const Word high = image_.word(context + 8);
    world_.expect((low & ~Word{0xFFF}) == image_.word(domain + 8) &&
                      (high & 7) == image_.word(domain + 16) - 1 &&
                      (high >> 8 & 0xFFFF) == image_.word(device + 16),
                  "context entry and record of the device at {:#x} differ", device);
    world_.expect((image_.number(domain + 28, 1) & 1) == 0, "a first-stage domain in legacy mode");
    world_.expect(image_.word(device + 48) == 0 && image_.word(device + 56) == 0,
                  "a PASID table in legacy mode");
  }

  void check_scalable(Word device, Word context) {
    const Word low = image_.word(context);
    const Word directory = image_.word(device + 48);
    const Word pasids = image_.word(device + 56);
    world_.expect((low & ~Word{0xFFF}) == directory, "PASID directory and record differ");
    world_.expect((low >> 4 & 1) == 0, "page requests are on");
    world_.expect(pasids >= 32768 && std::has_single_bit(pasids) &&
                      Word{64} << ((low >> 9 & 7) + 7) == pasids,
                  "max_pasid is {}", pasids);
    world_.expect((image_.word(context + 8) & 0xFFFFF) == 0, "RID_PASID is not 0");
    const auto order = static_cast<unsigned>(std::bit_width(pasids / 64 * 8 / kPage - 1));
    if (!world_.explain(directory, "PASID directory", order)) return;
    for (Word i = 0; i < pasids / 64; ++i) {
      const Word entry = image_.word(directory + 8 * i);
      if ((entry & 1) == 0) continue;
      const Word table = entry & ~Word{0xFFF};
      if (!world_.explain(table, "PASID table")) continue;
      for (Word n = 0; n < 64; ++n) {
        const Word at = table + n * 64;
        if ((image_.word(at) & 1) == 0) continue;
        world_.expect(i == 0 && n == 0, "PASID {} is attached", i * 64 + n);
        check_pasid(device, at);
      }
    }
  }

  void check_pasid(Word device, Word entry) {
    const Word domain = image_.word(device + 24);
    const Word low = image_.word(entry);
    const bool first_stage = (low >> 6 & 7) == 1;
    const Word top = image_.word(first_stage ? entry + 16 : entry) & ~Word{0xFFF};
    const Word level = first_stage ? (image_.word(entry + 16) >> 2 & 3) + 3 : (low >> 2 & 7) + 1;
    world_.expect(first_stage == ((image_.number(domain + 28, 1) & 1) != 0),
                  "the stage of the PASID entry is not that of the domain");
    world_.expect(top == image_.word(domain + 8) && level == image_.word(domain + 16) &&
                      (image_.word(entry + 8) & 0xFFFF) == image_.word(device + 16),
                  "PASID entry and record of the device at {:#x} differ", device);
  }

  // What the tables map is what the IOAS held.
  void check_hwpts() {
    std::set<Word> taken;
    for (const File& file : world_.files) {
      if (file.compatible != "iommufd-v1") continue;
      for (Word i = 0; i < image_.word(file.data); ++i) {
        const Word record = file.data + 8 + 24 * i;
        const Word domain = image_.word(record);
        world_.expect(holds(domains_, domain) && !deleted(domain) && taken.insert(domain).second,
                      "HWPT {} of iommufd {} names no domain of its own", i, file.token);
        compare(file, image_.word(record + 8), domain);
      }
    }
    for (const Word domain : domains_) {
      world_.expect(deleted(domain) || taken.contains(domain), "domain at {:#x} has no HWPT",
                    domain);
    }
  }

  void compare(const File& file, Word hwpt, Word domain) {
    Leaves expected;
    bool told = false;
    for (const boost::json::value& value : world_.handoff.at("maps").as_array()) {
      const boost::json::object& map = value.as_object();
      if (map.at("session").as_string() != file.session ||
          World::hex(map.at("iommufd")) != file.token || World::hex(map.at("hwpt")) != hwpt) {
        continue;
      }
      told = true;
      for (const boost::json::value& range : map.at("ranges").as_array()) {
        add_range(file, range.as_object(), expected);
      }
      for (const boost::json::value& range : map.at("device_ranges").as_array()) {
        add_leaf(expected, World::hex(range.as_object().at("iova")),
                 World::hex(range.as_object().at("phys")), World::hex(range.as_object().at("len")));
      }
    }
    world_.expect(told, "nothing is told of HWPT {} of iommufd {}", hwpt, file.token);
    const auto same = [](const auto& a, const auto& b) {
      return a.first == b.first && a.second.to == b.second.to && a.second.length == b.second.length;
    };
    world_.expect(std::ranges::equal(expected, leaves_[domain], same),
                  "the tables of HWPT {} do not map what the IOAS held", hwpt);
  }

  void add_range(const File& file, const boost::json::object& range, Leaves& expected) {
    const auto memfd = world_.memfds.find({file.session, World::hex(range.at("memfd"))});
    const Word offset = World::hex(range.at("offset"));
    const Word length = World::hex(range.at("len"));
    if (memfd == world_.memfds.end() || memfd->second.size() * kPage < offset + length) {
      return world_.error("a range of memfd {:#x} lies outside of it",
                          World::hex(range.at("memfd")));
    }
    for (Word done = 0; done < length; done += kPage) {
      add_leaf(expected, World::hex(range.at("iova")) + done,
               memfd->second[(offset + done) / kPage], kPage);
    }
  }

  World& world_;
  Image& image_;
  std::vector<Word> units_;
  std::vector<Word> domains_;
  std::vector<Word> devices_;
  std::map<Word, Leaves> leaves_;  // by domain record
  bool scalable_ = false;
};

}  // namespace outside
