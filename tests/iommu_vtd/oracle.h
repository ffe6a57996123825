// A remapping unit without caches, registers or faults: what a request must get from the tables as
// they are in memory. Written from the specification apart from the model, on raw bits, for the
// property test. It knows the profile of Sapphire Rapids alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "model/pci/request.h"
#include "sim/memory.h"

namespace baton::test {

struct Verdict {
  unsigned reason = 0;  // 0: allowed
  std::uint64_t address = 0;
};

class Oracle {
 public:
  Oracle(sim::PhysicalMemory& memory, std::uint64_t root, bool scalable)
      : memory_(memory), root_(root), scalable_(scalable) {}

  virtual ~Oracle() = default;

  Verdict ask(const pci::MemoryRequest& request) {
    request_ = &request;
    return scalable_ ? scalable() : legacy();
  }

 protected:
  using Word = std::uint64_t;

  // Eight bytes of memory; nullopt where there is none.
  virtual std::optional<Word> word(Word at) {
    if (!memory_.contains(PhysAddr(at), 8)) {
      return std::nullopt;
    }
    return memory_.load<Word>(PhysAddr(at));
  }

 private:
  static constexpr Word kPage = 0x000F'FFFF'FFFF'F000;
  static constexpr unsigned kNowhere = 0xFFF;

  static Verdict interrupts(Word address, unsigned reason) {
    return address >> 20 == 0xFEE ? Verdict{reason} : Verdict{0, address};
  }

  Verdict legacy() {
    marks_ = false;
    const pci::MemoryRequest& r = *request_;
    if (r.pasid) return {0x31};
    const Word root = *word(root_ + r.requester.bus() * 16);
    if ((root & 1) == 0) return {0x1};
    const Word at = (root & kPage) + r.requester.devfn() * 16;
    const Word low = *word(at);
    const Word high = *word(at + 8);
    if ((low & 1) == 0) return {0x2};
    if ((low & 0xFF0) != 0) return {0xB};
    const Word aw = high & 7;
    if ((low >> 2 & 3) == 2) {
      if (aw != 3) return {0x3};
      return r.address >> 52 != 0 ? Verdict{0x4} : interrupts(r.address, 0xE);
    }
    if ((low >> 2 & 3) == 3 || (aw != 2 && aw != 3)) return {0x3};
    if (r.address >> (30 + 9 * aw) != 0) return {0x4};
    const Verdict v = second(low & kPage, static_cast<unsigned>(aw), r.address, reads(), r.write);
    return v.reason != 0 ? v : interrupts(v.address, 0xE);
  }

  bool reads() const { return !request_->write && request_->length > 0; }

  // Reasons as in legacy mode.
  Verdict second(Word table, unsigned aw, Word address, bool read, bool write) {
    const bool refuse_as_write = write;
    for (unsigned level = aw + 1;; --level) {
      const unsigned shift = 12 + 9 * level;
      const auto found = word(table + (address >> shift & 511) * 8);
      if (!found) return {level == aw + 1 ? 0x3U : 0x7U};
      const Word e = *found;
      const bool r = (e & 1) != 0;
      const bool w = (e & 2) != 0;
      if ((write && !w) || (refuse_as_write && !r && !w)) return {0x5};
      if ((read && !r) || (!r && !w)) return {0x6};
      const bool leaf = level == 0 || (e >> 7 & 1) != 0;
      const Word offset = (Word{1} << shift) - 1;
      if ((e >> 62 & 1) != 0 || (!leaf && (e >> 11 & 1) != 0) || (leaf && level > 2) ||
          (leaf && (e & kPage & offset) != 0)) {
        return {0xC};
      }
      const bool marked = (e & 0x100) != 0 && (!leaf || !write || (e & 0x200) != 0);
      if (marks_ && !snooped_ && !marked) return {0x7C};
      if (leaf) return {0, (e & kPage) | (address & offset)};
      table = e & kPage;
    }
  }

  Verdict scalable() {
    marks_ = false;
    const pci::MemoryRequest& r = *request_;
    const unsigned devfn = r.requester.devfn();
    const Word root = *word(root_ + r.requester.bus() * 16 + (devfn >> 7) * 8);
    if ((root & 1) == 0) return {0x39};
    const Word at = (root & kPage) + (devfn & 127) * 32;
    const Word context = *word(at);
    if ((context & 1) == 0) return {0x41};
    if ((context & 0x1E0) != 0) return {0x42};
    if (r.pasid && (context & 8) == 0) return {0x45};
    const Word pasid = r.pasid ? r.pasid->value() : *word(at + 8) & 0xF'FFFF;
    if (pasid >> 6 >= Word{128} << (context >> 9 & 7)) return {r.pasid ? 0x46U : 0x48U};
    const Word directory = *word((context & kPage) + (pasid >> 6) * 8);
    if ((directory & 1) == 0) return {0x51};
    if ((directory & 0xFFC) != 0) return {0x52};
    const Word entry = (directory & kPage) + (pasid & 63) * 64;
    entry_ = entry;
    const Verdict v = by_entry(*word(entry), *word(entry + 16));
    return v.reason != 0 ? v : interrupts(v.address, 0x87);
  }

  Verdict by_entry(Word low, Word third) {
    const Word type = low >> 6 & 7;
    const Word aw = low >> 2 & 7;
    const Word mode = third >> 2 & 3;
    const bool uses_first = type == 1 || type == 3;
    const bool uses_second = type == 2 || type == 3;
    if ((low & 1) == 0) return {0x59};
    if ((low & 0xC00) != 0) return {0x5A};
    if (type == 0 || type > 4 || (uses_second && aw != 2 && aw != 3) || (uses_first && mode > 1)) {
      return {0x5B};
    }
    snooped_ = (*word(entry_ + 8) >> 23 & 1) != 0;
    const Word address = request_->address;
    if (type == 4) return address >> 52 != 0 ? Verdict{0x83} : Verdict{0, address};
    nested_ = type == 3;
    if (uses_first) return first(third & kPage, mode == 1 ? 5 : 4);
    if (address >> (30 + 9 * aw) != 0) return {0x84};
    const Verdict v = through_second(address, reads(), request_->write, 0x84);
    return {code(v.reason, 0x85, 0x86), v.address};
  }

  // A walk through the second stage; `beyond` is for addresses that are too large. Each of those of
  // a nested walk looks at the PASID-table entry for itself.
  Verdict through_second(Word guest, bool read, bool write, unsigned beyond) {
    const Word low = *word(entry_);
    const Word aw = low >> 2 & 7;
    if (aw != 2 && aw != 3) return {kNowhere};
    if (guest >> (30 + 9 * aw) != 0) return {beyond};
    marks_ = (low >> 9 & 1) != 0;
    return second(low & kPage, static_cast<unsigned>(aw), guest, read, write);
  }

  static unsigned code(unsigned reason, unsigned write, unsigned read) {
    switch (reason) {
      case 0x3:
        return 0x7B;
      case 0x5:
        return write;
      case 0x6:
        return read;
      case 0x7:
        return 0x78;
      case 0xC:
        return 0x7A;
      default:
        return reason;
    }
  }

  // The place of a first-stage entry in memory, through the second stage when nested.
  Verdict place(Word guest, bool top, bool update) {
    if (!nested_) return {0, guest};
    Verdict v = through_second(guest, true, false, 0x74);
    if (v.reason != 0) return {code(v.reason, kNowhere, top ? 0x75 : 0x76)};
    if (update) {
      v = through_second(guest, true, true, 0x74);
      if (v.reason != 0) return {code(v.reason, 0x77, top ? 0x75 : 0x76)};
    }
    return v;
  }

  Verdict first(Word table, unsigned levels) {
    const Word address = request_->address;
    const auto sign =
        static_cast<std::int64_t>(address << (64 - (12 + 9 * levels))) >> (64 - (12 + 9 * levels));
    if (static_cast<Word>(sign) != address) return {0x80};
    const bool nxe = (*word(entry_ + 16) >> 5 & 1) != 0;
    for (unsigned level = levels - 1;; --level) {
      const unsigned shift = 12 + 9 * level;
      const bool top = level == levels - 1;
      const Word guest = table + (address >> shift & 511) * 8;
      Verdict at = place(guest, top, false);
      if (at.reason != 0) return at;
      const auto found = word(at.address);
      if (!found) return {top ? 0x73U : 0x70U};
      const Word e = *found;
      if ((e & 1) == 0) return {0x71};
      if ((e & 4) == 0) return {0x81};
      if (request_->write && (e & 2) == 0) return {0x85};
      const bool ps = (e >> 7 & 1) != 0;
      const bool leaf = level == 0 || ps;
      const Word offset = (Word{1} << shift) - 1;
      if ((ps && level > 2) || (!nxe && e >> 63 != 0) ||
          (leaf && level > 0 && (e & kPage & offset & ~Word{0x1000}) != 0)) {
        return {0x72};
      }
      const bool update = (e & 0x20) == 0 || (leaf && request_->write && (e & 0x40) == 0);
      if (update && !snooped_) return {0x90};
      at = place(guest, top, update);
      if (at.reason != 0) return at;
      if (leaf) return output((e & kPage & ~offset) | (address & offset));
      table = e & kPage;
    }
  }

  Verdict output(Word guest) {
    if (!nested_) return {0, guest};
    const Verdict v = through_second(guest, reads(), request_->write, 0x84);
    return {code(v.reason, 0x79, 0x79), v.address};
  }

  sim::PhysicalMemory& memory_;
  const Word root_;
  const bool scalable_;
  const pci::MemoryRequest* request_ = nullptr;
  bool nested_ = false;
  bool snooped_ = true;  // PWSNP
  bool marks_ = false;   // SSADE, of the second-stage walk under way
  Word entry_ = 0;       // of the PASID table
};

// The same oracle for tables that were changed while caches may know them as they were: each time
// it comes upon a changed word it takes any of the values that the word has had.
class ForgivingOracle final : public Oracle {
 public:
  using Oracle::Oracle;

  void changed(std::uint64_t at, std::uint64_t old_value) { old_[at].push_back(old_value); }
  void forget() { old_.clear(); }

  // Is this verdict what some choice of values gives?
  bool permits(const pci::MemoryRequest& request, const Verdict& seen) {
    choices_.clear();
    do {
      position_ = 0;
      const Verdict verdict = ask(request);
      if (verdict.reason == seen.reason && (seen.reason != 0 || verdict.address == seen.address)) {
        return true;
      }
    } while (next_choices());
    return false;
  }

 protected:
  std::optional<Word> word(Word at) override {
    const std::optional<Word> now = Oracle::word(at);
    const auto found = old_.find(at);
    if (found == old_.end()) return now;
    if (position_ == choices_.size()) choices_.push_back({0, found->second.size()});
    const std::size_t chosen = choices_[position_++].taken;
    return chosen == 0 ? now : std::optional(found->second[chosen - 1]);
  }

 private:
  struct Choice {
    std::size_t taken;
    std::size_t most;
  };

  // The next of all sequences of choices, the last choice first; false after the last.
  bool next_choices() {
    while (!choices_.empty()) {
      if (choices_.back().taken < choices_.back().most) {
        ++choices_.back().taken;
        return true;
      }
      choices_.pop_back();
    }
    return false;
  }

  std::map<std::uint64_t, std::vector<std::uint64_t>> old_;
  std::vector<Choice> choices_;
  std::size_t position_ = 0;
};

}  // namespace baton::test
