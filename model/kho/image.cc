// kexec_file_load under KHO: every segment of the image lies in scratch, and the boot parameters
// carry a setup_data entry that names the root FDT and a copy of the scratch table
// [linux kernel/kexec_file.c kexec_locate_mem_hole, kho_fill_kimage; arch/x86/kernel/
// kexec-bzimage64.c setup_kho].
//
// A loaded image has no staging copy here: its bytes are written to their destination at load, so
// destinations also avoid the image that the running kernel itself lies in. Segment contents other
// than the setup_data entry and the scratch table are not modelled; sizes are assumed.
#include "model/kho/state.h"

namespace baton::kho {

namespace {

constexpr std::uint64_t kKernelAlignment = std::uint64_t{2} << 20;
constexpr std::uint64_t kTableAlignment = 64 * 1024;

struct Placement {
  std::uint64_t size = 0;
  std::uint64_t alignment = 0;
};

bool overlaps(const sim::PhysRange& a, const sim::PhysRange& b) {
  return a.start < b.end() && b.start < a.end();
}

class Placer {
 public:
  Placer(linux::PageAllocator& pages, std::span<const sim::PhysRange> scratch,
         std::vector<sim::PhysRange> taken)
      : pages_(pages), scratch_(scratch), taken_(std::move(taken)) {}

  // Areas in the table's order, each searched from its top.
  std::optional<sim::PhysRange> place(const Placement& wanted) {
    for (const sim::PhysRange& area : scratch_) {
      if (area.length < wanted.size) {
        continue;
      }
      std::uint64_t start = (area.end().value() - wanted.size) & ~(wanted.alignment - 1);
      for (; start >= area.start.value(); start -= wanted.alignment) {
        const sim::PhysRange range{PhysAddr(start), wanted.size};
        if (is_free(range)) {
          taken_.push_back(range);
          return range;
        }
        if (start < wanted.alignment) {
          break;
        }
      }
    }
    return std::nullopt;
  }

 private:
  bool is_free(const sim::PhysRange& range) const {
    for (const sim::PhysRange& other : taken_) {
      if (overlaps(range, other)) return false;
    }
    for (std::uint64_t offset = 0; offset < range.length; offset += sim::kPageSize) {
      if (pages_.is_allocated(range.start + offset)) return false;
    }
    return true;
  }

  linux::PageAllocator& pages_;
  std::span<const sim::PhysRange> scratch_;
  std::vector<sim::PhysRange> taken_;
};

}  // namespace

linux::Result<host::KexecImage> Kho::load_image(std::size_t kernel, std::string command_line,
                                                std::uint64_t bytes) {
  State& state = *state_;
  host::KexecImage image;
  image.kernel = kernel;
  image.command_line = std::move(command_line);
  if (!state.enabled || state.services.has(linux::Defect::kKhoOldKexecLoad)) {
    return image;  // without KHO an image may lie anywhere, and the next boot is a plain one
  }
  const std::uint64_t table_bytes = state.scratch.size() * sizeof(abi::Scratch);
  const std::uint64_t table_pages = (table_bytes + sim::kPageSize - 1) / sim::kPageSize;
  const std::array<Placement, 3> wanted{
      Placement{sim::kPageSize, sim::kPageSize},  // boot parameters with setup_data
      Placement{(bytes + sim::kPageSize - 1) / sim::kPageSize * sim::kPageSize, kKernelAlignment},
      Placement{table_pages * sim::kPageSize, kTableAlignment}};
  Placer placer(state.pages(), state.scratch, state.handoff.segments);
  for (const Placement& placement : wanted) {
    const auto segment = placer.place(placement);
    if (!segment) {
      return linux::fail(linux::Errno::kAddrNotAvail);
    }
    image.segments.push_back(*segment);
  }
  const PhysAddr table = image.segments[2].start;
  for (std::size_t i = 0; i < state.scratch.size(); ++i) {
    const abi::Scratch entry{state.scratch[i].start.value(), state.scratch[i].length};
    state.ram().write(table + i * sizeof(entry), std::as_bytes(std::span(&entry, 1)));
  }
  image.setup_data = image.segments[0].start;
  const abi::SetupData header{0, abi::kSetupKexecKho, sizeof(abi::SetupKho)};
  const abi::SetupKho payload{state.fdt.value(), sim::kPageSize, table.value(), table_bytes};
  state.ram().write(image.setup_data, std::as_bytes(std::span(&header, 1)));
  state.ram().write(image.setup_data + sizeof(header), std::as_bytes(std::span(&payload, 1)));
  return image;
}

}  // namespace baton::kho
