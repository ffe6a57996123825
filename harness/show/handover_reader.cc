#include "harness/show/handover_reader.h"

#include <fmt/format.h>
#include <libfdt.h>

#include <algorithm>
#include <functional>

#include "harness/show/luo_records.h"
#include "harness/show/raw_memory.h"

namespace baton::harness {
namespace {

constexpr std::uint32_t kSetupKexecKho = 10;
constexpr std::size_t kSetupEntriesMax = 64;
constexpr std::uint64_t kFdtBytesMax = std::uint64_t{1} << 20;
constexpr std::uint64_t kBlockHeader = 16;
constexpr std::size_t kBlocksMax = 10000;
constexpr std::uint64_t kHeaderBytes = 32;
constexpr std::uint64_t kSessionBytes = 80;
constexpr std::uint64_t kFileBytes = 64;
constexpr std::uint64_t kFlbBytes = 64;

std::uint64_t property(const void* fdt, int node, const char* name) {
  int length = 0;
  const void* value = ::fdt_getprop(fdt, node, name, &length);
  std::uint64_t number = 0;
  if (value != nullptr && length == sizeof(number)) std::memcpy(&number, value, sizeof(number));
  return number;
}

// A chain of KHO blocks: page-sized, u64 next, u64 count, entries.
class Blocks {
 public:
  Blocks(RawMemory memory, std::vector<std::string>& problems)
      : memory_(memory), problems_(problems) {}

  void each(std::uint64_t head, std::uint64_t entry_bytes, const std::string& what,
            const std::function<void(std::uint64_t entry)>& visit) {
    const std::uint64_t capacity = (sim::kPageSize - kBlockHeader) / entry_bytes;
    for (std::uint64_t block = head; block != 0; block = memory_.u64(block)) {
      if (!memory_.has(block, sim::kPageSize) || block % sim::kPageSize != 0) {
        return problem("{}: a block at {:#x} is no page of RAM", what, block);
      }
      // Over all chains: a cycle in each of many would take for ever.
      if (++seen_ > kBlocksMax) return problem("{}: the chain of blocks has no end", what);
      const std::uint64_t count = memory_.u64(block + 8);
      if (count > capacity) {
        return problem("{}: the block at {:#x} claims {} entries, {} fit", what, block, count,
                       capacity);
      }
      for (std::uint64_t i = 0; i < count; ++i) visit(block + kBlockHeader + i * entry_bytes);
    }
  }

 private:
  template <class... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    problems_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  RawMemory memory_;
  std::vector<std::string>& problems_;
  std::size_t seen_ = 0;
};

LuoSessionView read_session(RawMemory memory, Blocks& blocks, std::uint64_t entry) {
  LuoSessionView session;
  session.name = memory.text(entry, 64);
  session.count = memory.u64(entry + 72);
  blocks.each(memory.u64(entry + 64), kFileBytes, fmt::format("files of {}", session.name),
              [&](std::uint64_t file) {
                LuoFileView view;
                view.compatible = memory.text(file, 48);
                view.data = memory.u64(file + 48);
                view.token = memory.u64(file + 56);
                view.details = describe_file(memory, view.compatible, view.data);
                session.files.push_back(std::move(view));
              });
  return session;
}

void read_flbs(RawMemory memory, std::uint64_t page, LuoView& view) {
  if (page == 0) return;
  if (!memory.has(page, sim::kPageSize) || page % sim::kPageSize != 0) {
    view.problems.push_back(fmt::format("the FLB page at {:#x} is no page of RAM", page));
    return;
  }
  const std::uint64_t count = memory.u64(page + 8);
  if (count > (sim::kPageSize - 16) / kFlbBytes) {
    view.problems.push_back(fmt::format("the FLB page claims {} entries", count));
    return;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t entry = page + 16 + i * kFlbBytes;
    LuoFlbView flb;
    flb.compatible = memory.text(entry, 48);
    flb.data = memory.u64(entry + 48);
    flb.count = memory.u64(entry + 56);
    flb.details = describe_flb(memory, flb.compatible, flb.data);
    view.flbs.push_back(std::move(flb));
  }
}

}  // namespace

SetupChain read_setup_data(sim::PhysicalMemory& memory, PhysAddr first) {
  const RawMemory raw(memory);
  SetupChain chain;
  for (std::uint64_t at = first.value(); raw.has(at, 16) && chain.entries.size() < kSetupEntriesMax;
       at = raw.u64(at)) {
    chain.entries.push_back({PhysAddr(at), raw.u32(at + 8), raw.u32(at + 12)});
    const bool kho = raw.u32(at + 8) == kSetupKexecKho && raw.u32(at + 12) >= 32;
    if (!kho || chain.kho || !raw.has(at + 16, 32)) continue;
    KhoPayload payload;
    payload.fdt = PhysAddr(raw.u64(at + 16));
    payload.fdt_size = raw.u64(at + 24);
    payload.scratch = PhysAddr(raw.u64(at + 32));
    payload.scratch_size = raw.u64(at + 40);
    const std::uint64_t areas = std::min<std::uint64_t>(payload.scratch_size / 16, 256);
    for (std::uint64_t i = 0; i < areas; ++i) {
      const std::uint64_t area = payload.scratch.value() + i * 16;
      if (!raw.has(area, 16)) break;
      payload.areas.push_back({PhysAddr(raw.u64(area)), raw.u64(area + 8)});
    }
    chain.kho = std::move(payload);
  }
  return chain;
}

std::optional<std::vector<std::byte>> read_fdt(sim::PhysicalMemory& memory, PhysAddr address,
                                               std::uint64_t size) {
  if (address == PhysAddr{} || size == 0 || size > kFdtBytesMax ||
      !memory.contains(address, size)) {
    return std::nullopt;
  }
  std::vector<std::byte> bytes(size);
  memory.read(address, bytes);
  if (::fdt_check_full(bytes.data(), bytes.size()) != 0) return std::nullopt;
  bytes.resize(fdt_totalsize(bytes.data()));
  return bytes;
}

KhoRoot read_root(const std::vector<std::byte>& fdt) {
  KhoRoot root;
  int length = 0;
  const void* compatible = ::fdt_getprop(fdt.data(), 0, "compatible", &length);
  if (compatible != nullptr && length > 0) {
    const auto* text = static_cast<const char*>(compatible);
    root.compatible.assign(text, ::strnlen(text, static_cast<std::size_t>(length)));
  }
  root.memory_map = PhysAddr(property(fdt.data(), 0, "preserved-memory-map"));
  int node = 0;
  fdt_for_each_subnode(node, fdt.data(), 0) {
    const char* name = ::fdt_get_name(fdt.data(), node, nullptr);
    root.blobs.push_back({name == nullptr ? "?" : name,
                          PhysAddr(property(fdt.data(), node, "preserved-data")),
                          property(fdt.data(), node, "blob-size")});
  }
  return root;
}

LuoView read_luo(sim::PhysicalMemory& memory, const NamedBlob& blob) {
  const RawMemory raw(memory);
  LuoView view;
  const std::uint64_t header = blob.address.value();
  if (blob.size < kHeaderBytes || !raw.has(header, kHeaderBytes)) {
    view.problems.push_back(
        fmt::format("the header at {:#x}, {} bytes, cannot be read", header, blob.size));
    return view;
  }
  view.compatible = raw.text(header, 8);
  view.liveupdate_number = raw.u64(header + 8);
  if (view.compatible != "luo-v5") {
    view.problems.push_back(
        fmt::format("compatible \"{}\": this reader knows luo-v5", view.compatible));
    return view;
  }
  Blocks blocks(raw, view.problems);
  blocks.each(raw.u64(header + 16), kSessionBytes, "sessions", [&](std::uint64_t entry) {
    view.sessions.push_back(read_session(raw, blocks, entry));
  });
  read_flbs(raw, raw.u64(header + 24), view);
  return view;
}

}  // namespace baton::harness
