// memory: RAM as an ELF core file, for readelf, gdb and the like. The format is that of the System
// V ABI, chapters 4 and 5.
//
// One PT_LOAD segment for each run of pages that holds bytes of its own; physical address and
// virtual address are the same. A page that is not in the file has never been written since the
// kernel that runs took memory over: it reads as zero, or as the pattern of what a kernel
// overwrote. Not in it: notes about CPUs (no register of a host CPU is modelled) and vmcoreinfo.
#include <fmt/format.h>

#include <array>
#include <cstring>

#include "harness/show/views.h"

namespace baton::harness {
namespace {

constexpr std::uint64_t kElfHeaderBytes = 64;
constexpr std::uint64_t kProgramHeaderBytes = 56;
constexpr std::uint64_t kSectionHeaderBytes = 64;
constexpr std::uint64_t kManyHeaders = 0xFFFF;  // PN_XNUM
constexpr std::uint16_t kTypeCore = 4;
constexpr std::uint16_t kMachineX86 = 62;
constexpr std::uint32_t kLoad = 1;
constexpr std::uint32_t kReadWriteExecute = 7;

class Bytes {
 public:
  template <class T>
  Bytes& add(T value) {
    std::array<char, sizeof(T)> raw;
    std::memcpy(raw.data(), &value, sizeof(T));
    text_.append(raw.data(), raw.size());
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// With PN_XNUM the true count is in the one section header, behind the program headers.
void add_elf_header(Bytes& bytes, std::uint64_t segments) {
  const bool many = segments >= kManyHeaders;
  const std::uint64_t sections_at = kElfHeaderBytes + segments * kProgramHeaderBytes;
  for (const unsigned c : {0x7FU, 0x45U, 0x4CU, 0x46U, 2U, 1U, 1U, 0U}) {
    bytes.add(static_cast<std::uint8_t>(c));
  }
  bytes.add(std::uint64_t{0})
      .add(kTypeCore)
      .add(kMachineX86)
      .add(std::uint32_t{1})
      .add(std::uint64_t{0})
      .add(kElfHeaderBytes)
      .add(many ? sections_at : std::uint64_t{0})
      .add(std::uint32_t{0})
      .add(static_cast<std::uint16_t>(kElfHeaderBytes))
      .add(static_cast<std::uint16_t>(kProgramHeaderBytes))
      .add(static_cast<std::uint16_t>(many ? kManyHeaders : segments))
      .add(static_cast<std::uint16_t>(many ? kSectionHeaderBytes : 0))
      .add(static_cast<std::uint16_t>(many ? 1 : 0))
      .add(std::uint16_t{0});
}

void add_segment(Bytes& bytes, sim::PhysRange run, std::uint64_t offset) {
  bytes.add(kLoad)
      .add(kReadWriteExecute)
      .add(offset)
      .add(run.start.value())
      .add(run.start.value())
      .add(run.length)
      .add(run.length)
      .add(sim::kPageSize);
}

void add_section_of_count(Bytes& bytes, std::uint64_t segments) {
  bytes.add(std::uint32_t{0}).add(std::uint32_t{0});
  for (int i = 0; i < 4; ++i) bytes.add(std::uint64_t{0});  // flags, address, offset, size
  bytes.add(std::uint32_t{0}).add(static_cast<std::uint32_t>(segments));
  bytes.add(std::uint64_t{0}).add(std::uint64_t{0});
}

}  // namespace

ShowResult show_memory(const ShowContext& context, std::ostream& out) {
  sim::PhysicalMemory& memory = context.watch.machine().memory();
  const std::vector<sim::PhysRange> runs = memory.touched();
  const bool many = runs.size() >= kManyHeaders;
  const std::uint64_t headers =
      kElfHeaderBytes + runs.size() * kProgramHeaderBytes + (many ? kSectionHeaderBytes : 0);
  const std::uint64_t first = (headers + sim::kPageSize - 1) / sim::kPageSize * sim::kPageSize;
  Bytes bytes;
  add_elf_header(bytes, runs.size());
  std::uint64_t offset = first;
  for (const sim::PhysRange& run : runs) {
    add_segment(bytes, run, offset);
    offset += run.length;
  }
  if (many) add_section_of_count(bytes, runs.size());
  out << bytes.text() << std::string(first - headers, '\0');
  for (const sim::PhysRange& run : runs) {
    for (PhysAddr page = run.start; page < run.end(); page = page + sim::kPageSize) {
      const std::span<const std::byte> content = memory.page(page);
      out.write(reinterpret_cast<const char*>(content.data()),
                static_cast<std::streamsize>(content.size()));
    }
  }
  return {};
}

}  // namespace baton::harness
