// handover-record: what LUO has written for the next kernel is exactly what was preserved. At the
// jump the checker walks the bytes in memory by itself, from struct luo_ser on, and compares them
// with the sessions, files and shared objects that it has seen being made; so a reboot that is
// tried again after a failed one hands over the same.
//
// The layout is that of luo-v5 and kho block v1 [linux include/linux/kho/abi/luo.h, block.h],
// written down here once more on purpose.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/linux/base/observations.h"
#include "model/luo/observations.h"

namespace baton::harness {
namespace {

using luo::Callback;

constexpr std::uint64_t kBlockHeader = 16;
constexpr std::uint64_t kSessionBytes = 80;
constexpr std::uint64_t kFileBytes = 64;
constexpr std::size_t kMostBlocks = 10000;

struct FileLine {
  std::uint64_t token = 0;
  std::uint64_t data = 0;
  std::string compatible;
  friend bool operator==(const FileLine&, const FileLine&) = default;
};

std::string text(const FileLine& file) {
  return fmt::format("file {} {} {:#x}", file.token, file.compatible, file.data);
}

class HandoverRecord final : public Checker {
 public:
  explicit HandoverRecord(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<luo::OutgoingSession>().subscribe([this](const auto& o) { on_session(o); });
    simulation.topic<luo::FileCallback>().subscribe([this](const auto& o) { on_file(o); });
    simulation.topic<luo::FlbAttached>().subscribe([this](const luo::FlbAttached& seen) {
      attached_[std::string(seen.handler)].emplace_back(seen.flb);
    });
    simulation.topic<luo::FlbCallback>().subscribe([this](const luo::FlbCallback& seen) {
      if (seen.call == Callback::kPreserve && seen.done) {
        flb_data_[std::string(seen.compatible)] = seen.data;
      }
    });
    simulation.topic<luo::SessionsSerialized>().subscribe(
        [this](const luo::SessionsSerialized& seen) { header_ = seen.header; });
    simulation.topic<host::KernelJumped>().subscribe([this](const auto&) { on_jump(); });
    simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) { forget(); });
  }

  std::string_view id() const override { return "handover-record"; }

 private:
  struct Held {
    std::string name;
    std::vector<FileLine> files;
  };

  void on_session(const luo::OutgoingSession& seen) {
    if (seen.listed) {
      sessions_.push_back({std::string(seen.session), {}});
    } else {
      std::erase_if(sessions_, [&seen](const Held& held) { return held.name == seen.session; });
    }
  }

  void on_file(const luo::FileCallback& seen) {
    const bool of_previous = seen.call == Callback::kRetrieve || seen.call == Callback::kFinish;
    const auto held = std::ranges::find(sessions_, seen.session, &Held::name);
    if (of_previous || held == sessions_.end() || !seen.done) return;
    const auto file = std::ranges::find(held->files, seen.token, &FileLine::token);
    if (seen.call == Callback::kPreserve) {
      held->files.push_back({seen.token, seen.data, std::string(seen.compatible)});
      return;
    }
    if (file == held->files.end()) return;
    checked();
    if (seen.given != file->data) {
      wrong(fmt::format("session \"{}\", {}", seen.session, text(*file)),
            "its handler is given what it returned last",
            fmt::format("it is given {:#x}", seen.given));
    }
    file->data = seen.data;
    if (seen.call == Callback::kUnpreserve) held->files.erase(file);
  }

  void on_jump() {
    if (header_) {
      checked();
      compare_sessions(watch_.machine().memory());
      compare_flbs(watch_.machine().memory());
    }
    forget();
  }

  void forget() {
    header_.reset();
    sessions_.clear();
    attached_.clear();
    flb_data_.clear();
  }

  void wrong(std::string subject, std::string expected, std::string seen) {
    if (want()) {
      report(std::move(subject), std::move(expected), std::move(seen), watch_.milestones());
    }
  }

  // The entries of a chain of blocks, each block checked as the next kernel does.
  std::optional<std::vector<PhysAddr>> entries(sim::PhysicalMemory& ram, PhysAddr head,
                                               std::uint64_t bytes, const std::string& subject) {
    std::vector<PhysAddr> result;
    std::size_t blocks = 0;
    for (PhysAddr block = head; block.value() != 0; ++blocks) {
      if (blocks == kMostBlocks || !ram.contains(block, sim::kPageSize)) {
        wrong(subject, "a chain of pages", fmt::format("it leads to {}", page_name(block)));
        return std::nullopt;
      }
      const auto count = ram.load<std::uint64_t>(block + 8);
      if (count == 0 || count > (sim::kPageSize - kBlockHeader) / bytes) {
        wrong(subject, "every block holds entries, and no more than fit",
              fmt::format("the block at {:#x} counts {}", block.value(), count));
        return std::nullopt;
      }
      for (std::uint64_t i = 0; i < count; ++i) {
        result.push_back(block + kBlockHeader + i * bytes);
      }
      block = PhysAddr(ram.load<std::uint64_t>(block));
    }
    return result;
  }

  static std::string string_at(sim::PhysicalMemory& ram, PhysAddr at, std::size_t bytes) {
    std::string result(bytes, '\0');
    ram.read(at, std::as_writable_bytes(std::span(result)));
    result.resize(::strnlen(result.data(), result.size()));
    return result;
  }

  void compare_sessions(sim::PhysicalMemory& ram) {
    const PhysAddr head(ram.load<std::uint64_t>(*header_ + 16));
    const auto found = entries(ram, head, kSessionBytes, "the list of sessions");
    if (!found) return;
    if (found->size() != sessions_.size()) {
      wrong("the list of sessions", fmt::format("{} sessions", sessions_.size()),
            fmt::format("{} sessions", found->size()));
      return;
    }
    for (std::size_t i = 0; i < sessions_.size(); ++i) {
      const PhysAddr at = (*found)[i];
      const std::string name = string_at(ram, at, 64);
      if (name != sessions_[i].name) {
        wrong(fmt::format("session {}", i), fmt::format("\"{}\"", sessions_[i].name),
              fmt::format("\"{}\"", name));
      }
      compare_files(ram, sessions_[i], PhysAddr(ram.load<std::uint64_t>(at + 64)),
                    ram.load<std::uint64_t>(at + 72));
    }
  }

  void compare_files(sim::PhysicalMemory& ram, const Held& session, PhysAddr head,
                     std::uint64_t count) {
    const std::string subject = fmt::format("session \"{}\"", session.name);
    const auto found = entries(ram, head, kFileBytes, subject);
    if (!found) return;
    if (found->size() != session.files.size() || count != session.files.size()) {
      wrong(subject, fmt::format("{} files", session.files.size()),
            fmt::format("{} files, and it counts {}", found->size(), count));
      return;
    }
    for (std::size_t i = 0; i < found->size(); ++i) {
      checked();
      const PhysAddr at = (*found)[i];
      const FileLine line{ram.load<std::uint64_t>(at + 56), ram.load<std::uint64_t>(at + 48),
                          string_at(ram, at, 48)};
      if (line != session.files[i]) wrong(subject, text(session.files[i]), text(line));
    }
  }

  void compare_flbs(sim::PhysicalMemory& ram) {
    std::map<std::string, std::uint64_t> counts;
    for (const Held& session : sessions_) {
      for (const FileLine& file : session.files) {
        for (const std::string& flb : attached_[file.compatible]) ++counts[flb];
      }
    }
    const PhysAddr page(ram.load<std::uint64_t>(*header_ + 24));
    const std::uint64_t count = std::min<std::uint64_t>(ram.load<std::uint64_t>(page + 8), 63);
    if (count != counts.size()) {
      wrong("the list of shared objects", fmt::format("{} objects", counts.size()),
            fmt::format("{} objects", count));
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      checked();
      const PhysAddr at = page + kBlockHeader + i * kFileBytes;
      const std::string name = string_at(ram, at, 48);
      const auto files = ram.load<std::uint64_t>(at + 56);
      if (files != counts[name]) {
        wrong(name, fmt::format("{} files depend on it", counts[name]),
              fmt::format("it counts {}", files));
      }
      const auto data = ram.load<std::uint64_t>(at + 48);
      if (data != flb_data_[name]) {
        wrong(name, fmt::format("its data {:#x}", flb_data_[name]), fmt::format("{:#x}", data));
      }
    }
  }

  std::optional<PhysAddr> header_;
  std::vector<Held> sessions_;  // that this kernel made, in order
  std::map<std::string, std::vector<std::string>, std::less<>> attached_;  // by handler
  std::map<std::string, std::uint64_t, std::less<>> flb_data_;
};

}  // namespace

std::unique_ptr<Checker> make_handover_record(Watch& watch) {
  return std::make_unique<HandoverRecord>(watch);
}

}  // namespace baton::harness
