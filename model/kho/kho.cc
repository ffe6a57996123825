// Enabling, boot and blobs [linux kernel/liveupdate/kexec_handover.c].
#include "model/kho/kho.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "model/kho/command_line.h"
#include "model/kho/scratch.h"
#include "model/kho/state.h"

namespace baton::kho {

using linux::Errno;

namespace {

// What a walk of the preserved-memory map has found, as runs. It comes by order, the largest first,
// and by address within one, and blocks are aligned: each lies inside the larger ones or beside
// them.
class Claims {
 public:
  // False for a block inside a larger one.
  bool add(PhysAddr start, unsigned order) {
    if (order != order_) {
      settle();
      order_ = order;
    }
    ++blocks_;
    const auto after = std::ranges::upper_bound(runs_, start, {}, &sim::PhysRange::start);
    if (after != runs_.begin() && std::prev(after)->contains(start)) {
      return false;
    }
    append(fresh_, {start, sim::kPageSize << order});
    return true;
  }
  const std::vector<sim::PhysRange>& runs() {
    settle();
    return runs_;
  }
  std::uint64_t blocks() const { return blocks_; }

 private:
  static void append(std::vector<sim::PhysRange>& runs, const sim::PhysRange& range) {
    if (!runs.empty() && runs.back().end() == range.start) {
      runs.back().length += range.length;
    } else {
      runs.push_back(range);
    }
  }

  void settle() {
    std::vector<sim::PhysRange> sorted;
    sorted.reserve(runs_.size() + fresh_.size());
    std::ranges::merge(runs_, fresh_, std::back_inserter(sorted), {}, &sim::PhysRange::start,
                       &sim::PhysRange::start);
    runs_.clear();
    fresh_.clear();
    for (const sim::PhysRange& range : sorted) {
      append(runs_, range);
    }
  }

  unsigned order_ = 0;
  std::uint64_t blocks_ = 0;
  std::vector<sim::PhysRange> runs_;   // of larger orders
  std::vector<sim::PhysRange> fresh_;  // of this one
};

}  // namespace

Kho::State::State(linux::KernelServices& kernel_services, const host::BootHandoff& boot_handoff,
                  std::optional<Handover> boot_handover)
    : services(kernel_services),
      handoff(boot_handoff),
      handover(std::move(boot_handover)),
      tree(services.port().ram(), services.pages()),
      ledger(services.port().simulation().topic<linux::LedgerEntry>()) {
  enabled = services.config().pieces.kho != linux::KhoVersion::kOff &&
            flag(handoff.command_line, "kho").value_or(true);
  if (handover) {
    scratch = handover->areas;
  } else if (enabled) {
    reserve_scratch(handoff.command_line);
  }
}

void Kho::State::reserve_scratch(std::string_view command_line) {
  ScratchSizing sizing;
  if (const auto text = parameter(command_line, "kho_scratch")) {
    sizing = parse_scratch_sizing(*text).value_or(sizing);
  }
  const auto areas = choose_scratch(services.port().memory_map(), sizing);
  if (!areas) {
    services.print(sim::LogLevel::kWarning,
                   "KHO: failed to reserve scratch area, disabling kexec handover");
    enabled = false;
    return;
  }
  scratch = *areas;
}

std::optional<std::uint64_t> Kho::State::retrieve_memory() {
  const auto fdt_bytes = load_fdt(ram(), handover->data.fdt, handover->data.fdt_size);
  const auto root = fdt_bytes ? memory_map_of(*fdt_bytes) : std::nullopt;
  if (!root) {
    return std::nullopt;
  }
  Claims claims;
  const bool whole = walk_preserved(ram(), *root, [&](PhysAddr start, unsigned order) {
    if (claims.add(start, order)) {
      pages().page(start).private_data = abi::kStamp << 32 | order;
    } else {
      // One page in two blocks: it stays reserved, and only the larger can be restored.
      services.print(sim::LogLevel::kWarning, "KHO: block {:#x} is preserved twice", start.value());
    }
  });
  for (const sim::PhysRange& run : claims.runs()) {
    pages().reserve(run, "preserved");
  }
  return whole ? std::optional<std::uint64_t>(claims.blocks()) : std::nullopt;
}

linux::Result<> Kho::State::create_outgoing() {
  const bool in_scratch = services.has(linux::Defect::kKhoTreeInScratch);
  const PhysAddr place = in_scratch ? scratch.front().start : PhysAddr();
  if (const auto made = tree.create(place); !made) {
    return made;
  }
  const auto page = pages().allocate(0, "kho root fdt");
  if (!page) {
    return linux::fail(page.error());
  }
  fdt = *page;
  if (const auto made = create_root_fdt(fdt_page(), tree.root()); !made) {
    return made;
  }
  if (services.has(linux::Defect::kKhoSkipFdt)) return {};
  const auto added = tree.add(fdt, 0);
  if (added) {
    publish(linux::LedgerEvent::kPreserved, fdt, 0);
  }
  return added;
}

void Kho::State::read_metadata() {
  const auto fdt_bytes = load_fdt(ram(), handover->data.fdt, handover->data.fdt_size);
  const auto blob =
      fdt_bytes ? find_blob(*fdt_bytes, abi::kMetadataName) : linux::fail(Errno::kNoEnt);
  if (!blob) {
    return;
  }
  std::array<std::byte, abi::kMetadataSize> bytes{};
  if (blob->size != bytes.size() || !ram().contains(blob->address, bytes.size())) {
    services.print(sim::LogLevel::kWarning, "KHO: kexec-metadata has an unexpected size");
    return;
  }
  ram().read(blob->address, bytes);
  std::uint32_t version = 0;
  std::memcpy(&version, bytes.data(), sizeof(version));
  if (version != abi::kMetadataVersion) {
    services.print(sim::LogLevel::kWarning, "KHO: kexec-metadata has unknown version {}", version);
    return;
  }
  std::memcpy(&kexec_count, bytes.data() + abi::kMetadataCount, sizeof(kexec_count));
}

linux::Result<> Kho::State::write_metadata() {
  std::array<std::byte, abi::kMetadataSize> bytes{};
  const std::uint32_t version = abi::kMetadataVersion;
  const std::uint32_t count = kexec_count + 1;
  const std::string_view release = "7.2.0-baton";
  std::memcpy(bytes.data(), &version, sizeof(version));
  std::memcpy(bytes.data() + abi::kMetadataRelease, release.data(), release.size());
  std::memcpy(bytes.data() + abi::kMetadataCount, &count, sizeof(count));
  ram().write(metadata, bytes);
  return add_blob(fdt_page(), abi::kMetadataName, {metadata, bytes.size()});
}

std::optional<unsigned> Kho::State::take_stamp(PhysAddr address) {
  const PhysAddr block = address.page_base();
  if (!ram().contains(block, sim::kPageSize)) {
    return std::nullopt;
  }
  linux::Page& page = pages().page(block);
  if (page.private_data >> 32 != abi::kStamp || pages().is_allocated(block)) {
    services.print(sim::LogLevel::kWarning, "KHO: page {:#x} is not a preserved block",
                   block.value());
    return std::nullopt;
  }
  const auto order = static_cast<unsigned>(page.private_data & 0xFFFF'FFFF);
  page.private_data = 0;
  return order;
}

void Kho::State::publish(linux::LedgerEvent event, PhysAddr block, unsigned order) {
  if (!ledger.active()) {
    return;
  }
  const char* owner = pages().page(block).owner;
  linux::LedgerEntry entry{services.generation(),
                           event,
                           linux::LedgerKind::kPages,
                           owner != nullptr ? owner : "preserved pages",
                           {block, sim::kPageSize << order},
                           block.value()};
  ledger.publish(entry);
}

Kho::Kho(linux::KernelServices& services, const host::BootHandoff& handoff,
         std::optional<Handover> handover)
    : state_(std::make_unique<State>(services, handoff, std::move(handover))) {}

Kho::~Kho() = default;

std::uint64_t Kho::memory_init() {
  std::uint64_t walked = 0;
  if (state_->handover) {
    // The image this kernel runs from.
    for (const sim::PhysRange& segment : state_->handoff.segments) {
      state_->pages().reserve(segment, "kernel image");
    }
    const std::optional<std::uint64_t> blocks = state_->retrieve_memory();
    walked = blocks.value_or(0);
    if (!blocks) {
      state_->services.print(sim::LogLevel::kError,
                             "KHO: the preserved-memory map is corrupt, booting without it");
      state_->handover.reset();
    }
  }
  // Pageblocks of scratch are typed CMA: only movable pages live there, and a kernel of baton
  // allocates none.
  std::vector<sim::PhysRange> avoid;
  for (const sim::PhysRange& area : state_->scratch) {
    if (area.length != 0) {
      avoid.push_back(area);
    }
  }
  std::ranges::sort(avoid, {}, &sim::PhysRange::start);
  state_->pages().set_unmovable_avoids(avoid);
  return walked;
}

linux::Result<> Kho::init() {
  State& state = *state_;
  if (!state.enabled) {
    return {};
  }
  if (state.handover) {
    state.read_metadata();
  }
  auto made = state.create_outgoing();
  if (made) {
    const auto page = alloc_preserve(abi::kMetadataSize, "kexec-metadata");
    if (page) {
      state.metadata = *page;
      made = state.write_metadata();
    } else {
      made = linux::fail(page.error());
    }
  }
  if (!made) {
    state.services.print(sim::LogLevel::kError, "KHO: init failed, disabling kexec handover");
    state.enabled = false;
  }
  return made;
}

bool Kho::enabled() const { return state_->enabled; }
bool Kho::is_kho_boot() const { return state_->handover.has_value(); }
const std::vector<sim::PhysRange>& Kho::scratch() const { return state_->scratch; }
std::uint32_t Kho::kexec_count() const { return state_->kexec_count; }
PhysAddr Kho::outgoing_fdt() const { return state_->fdt; }

linux::Result<> Kho::add_subtree(std::string_view name, PhysAddr blob, std::uint64_t size) {
  if (!state_->enabled || state_->fdt.value() == 0) {
    return linux::fail(Errno::kInval);
  }
  const bool with_size = !state_->services.has(linux::Defect::kKhoSkipBlobSize);
  return add_blob(state_->fdt_page(), name, {blob, size}, with_size);
}

void Kho::remove_subtree(PhysAddr blob) {
  if (state_->fdt.value() != 0) {
    remove_blob(state_->fdt_page(), blob);
  }
}

linux::Result<Kho::Blob> Kho::retrieve_subtree(std::string_view name) {
  if (!state_->handover) {
    return linux::fail(Errno::kNoEnt);
  }
  const KhoData& data = state_->handover->data;
  const auto fdt = load_fdt(state_->ram(), data.fdt, data.fdt_size);
  if (!fdt) {
    return linux::fail(Errno::kNoEnt);  // libfdt finds no node in these bytes
  }
  const auto blob = find_blob(*fdt, name);
  if (!blob) {
    return linux::fail(blob.error());
  }
  return Blob{blob->address, blob->size};
}

}  // namespace baton::kho
