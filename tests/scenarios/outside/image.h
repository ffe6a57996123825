// An outside reader of a handover: an ELF core file and a JSON object, as `baton show memory` and
// `baton show handoff` print them, and nothing else of baton. It knows the layouts from the ABI
// headers of Linux and of the posted series, and checks every rule that they have.
//
// This file: physical memory out of the core file, the collected errors, and the preserved blocks,
// each of which must be explained once by the structure that owns it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <boost/json.hpp>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace outside {

using Word = std::uint64_t;
inline constexpr Word kPage = 4096;

// PT_LOAD segments by p_paddr.
class Image {
 public:
  explicit Image(std::string core) : core_(std::move(core)) {
    Word count = field(56, 2);
    const Word sections = field(40, 8);
    if (count == 0xFFFF) count = field(sections + 44, 4);  // PN_XNUM: sh_info of section 0
    for (Word i = 0; i < count; ++i) {
      const Word header = field(32, 8) + i * 56;
      if (field(header, 4) != 1) continue;
      segments_[field(header + 24, 8)] = {field(header + 8, 8), field(header + 32, 8)};
    }
  }

  bool is_core() const {
    return core_.starts_with(
               "\x7F"
               "ELF") &&
           field(16, 2) == 4;
  }

  bool has(Word address, Word length) const {
    const auto after = segments_.upper_bound(address);
    if (after == segments_.begin()) return false;
    const auto& [start, segment] = *std::prev(after);
    return address - start < segment.length && length <= segment.length - (address - start);
  }
  Word number(Word address, unsigned width) const {
    return has(address, width) ? field(place(address), width) : 0;
  }
  Word word(Word address) const { return number(address, 8); }
  std::string text(Word address, Word length) const {
    return has(address, length) ? core_.substr(place(address), length) : std::string();
  }
  // For tests of the reader.
  void patch(Word address, Word value, unsigned width) {
    std::memcpy(core_.data() + place(address), &value, width);
  }

 private:
  struct Segment {
    Word offset = 0;
    Word length = 0;
  };

  Word place(Word address) const {
    const auto& [start, segment] = *std::prev(segments_.upper_bound(address));
    return segment.offset + (address - start);
  }
  Word field(Word offset, unsigned width) const {
    Word value = 0;
    if (offset + width <= core_.size()) std::memcpy(&value, core_.data() + offset, width);
    return value;
  }

  std::string core_;
  std::map<Word, Segment> segments_;
};

struct Key {
  unsigned order = 0;
  std::string owner;  // empty: not explained yet
};

// What the structures say, collected while they are read.
struct File {
  std::string session;
  std::string compatible;
  Word data = 0;
  Word token = 0;
};
struct Flb {
  Word data = 0;
  Word count = 0;
};

class World {
 public:
  World(Image memory, boost::json::object told)
      : image(std::move(memory)), handoff(std::move(told)) {}

  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) {
    errors.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void expect(bool holds, fmt::format_string<Args...> format, Args&&... args) {
    if (!holds) error(format, std::forward<Args>(args)...);
  }

  // A preserved block that belongs to `owner`, of this order. False: it cannot be read.
  bool explain(Word start, const std::string& owner, unsigned order = 0) {
    if (!claim(start, owner)) return false;
    expect(keys[start].order == order, "{} at {:#x}: order {} instead of {}", owner, start,
           keys[start].order, order);
    const bool there = image.has(start, kPage);
    expect(there, "{} at {:#x} is not in the core file", owner, start);
    return there;
  }
  // The same for a block of any order, which nobody reads.
  bool claim(Word start, const std::string& owner) {
    const auto key = keys.find(start);
    if (start == 0 || key == keys.end()) {
      error("{} at {:#x} is not preserved", owner, start);
      return false;
    }
    expect(key->second.owner.empty(), "{} at {:#x} is also {}", owner, start, key->second.owner);
    key->second.owner = owner;
    return true;
  }

  // Nothing but zero up to the end of the page.
  void zero_behind(Word address, const std::string& owner) {
    const std::string rest = image.text(address, kPage - address % kPage);
    const bool zero =
        address % kPage == 0 || std::ranges::all_of(rest, [](char byte) { return byte == 0; });
    expect(zero, "{}: bytes behind {:#x} are not zero", owner, address);
  }

  // A field of fixed length: text up to its NUL, then zeroes.
  std::string name_field(Word address, Word length, const std::string& owner) {
    const std::string field = image.text(address, length);
    const std::size_t end = field.find('\0');
    expect(end != std::string::npos && field.find_first_not_of('\0', end) == std::string::npos,
           "{}: the text at {:#x} is not terminated and padded with zeroes", owner, address);
    return field.substr(0, std::min(end, field.size()));
  }

  // A chain of KHO blocks: next, count, entries; all but the last are full, none is empty.
  template <class Visit>
  void chain(Word head, Word entry_bytes, const std::string& owner, Visit&& visit) {
    const Word capacity = (kPage - 16) / entry_bytes;
    for (Word block = head; block != 0; block = image.word(block)) {
      if (!explain(block, owner)) return;
      const Word next = image.word(block);
      const Word count = image.word(block + 8);
      if (count == 0 || count > capacity || (next != 0 && count != capacity)) {
        return error("{}: the block at {:#x} has {} entries", owner, block, count);
      }
      for (Word i = 0; i < count; ++i) visit(block + 16 + i * entry_bytes);
      zero_behind(block + 16 + count * entry_bytes, owner);
    }
  }

  Word told(const char* key) const { return hex(handoff.at(key)); }
  static Word hex(const boost::json::value& value) {
    return std::stoull(std::string(value.as_string()), nullptr, 16);
  }

  Image image;
  boost::json::object handoff;
  std::vector<std::string> errors;
  std::map<Word, Key> keys;  // by start
  std::vector<Word> tree_pages;
  std::map<std::string, Flb> flbs;
  std::vector<File> files;
  // Where each page of a preserved memfd lies, by session and token.
  std::map<std::pair<std::string, Word>, std::vector<Word>> memfds;
};

}  // namespace outside
