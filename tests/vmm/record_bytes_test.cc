// The bytes of what a VMM leaves its successor behind guest memory, with a value in each field that
// needs all of its bytes. Offsets are those of docs/abi.md.
#include <bit>

#include "model/vmm/vmm_record.h"

namespace {

using namespace baton;

// Sixteen bytes a line, in pairs of digits.
template <class Record>
std::string hex_of(const Record& record) {
  const auto bytes = std::bit_cast<std::array<std::byte, sizeof(Record)>>(record);
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    text += fmt::format("{:02x}", static_cast<unsigned>(bytes[i]));
    if (i + 1 < bytes.size()) text += i % 16 == 15 ? "\n" : (i % 8 == 7 ? "  " : " ");
  }
  return text;
}

// A number whose bytes are n1, n2, .. n8 in memory.
constexpr std::uint64_t whole(std::uint64_t n) {
  std::uint64_t value = 0;
  for (std::uint64_t i = 8; i > 0; --i) value = value << 8 | (n << 4 | i);
  return value;
}
constexpr std::uint32_t half(std::uint64_t n) { return static_cast<std::uint32_t>(whole(n)); }

vmm::VmmRecord filled_record() {
  vmm::VmmRecord record;
  record.memory_bytes = whole(1);
  record.ioas_id = half(2);
  record.hwpt_id = half(3);
  record.devices = whole(4);
  record.places.front() = {half(5), half(6)};
  record.places.back() = {half(7), half(8)};
  record.carried = vmm::Carried::kMemory;
  record.goes_on = 1;
  return record;
}

}  // namespace

TEST_CASE("the record of a VMM has these bytes") {
  CHECK(hex_of(filled_record()) ==
        "42 41 54 56 4d 4d 00 00  03 00 00 00 70 00 00 00\n"
        "11 12 13 14 15 16 17 18  21 22 23 24 31 32 33 34\n"
        "41 42 43 44 45 46 47 48  51 52 53 54 61 62 63 64\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "71 72 73 74 81 82 83 84  02 00 00 00 01 00 00 00");
  CHECK(vmm::kVmmRecordOffset == 512);
}

TEST_CASE("the record of a vCPU has these bytes") {
  vmm::VcpuRegisters registers;
  registers.pc = whole(1);
  registers.pending_vectors = whole(2);
  registers.last_step_ps = whole(3);
  registers.r.front() = whole(4);
  registers.r.back() = whole(5);
  const std::string bytes = hex_of(registers);
  const std::string_view begin =
      "42 41 54 56 43 50 55 00  01 00 00 00 a8 00 00 00\n"
      "11 12 13 14 15 16 17 18  21 22 23 24 25 26 27 28\n"
      "31 32 33 34 35 36 37 38  41 42 43 44 45 46 47 48\n";
  CHECK(bytes.substr(0, begin.size()) == begin);
  CHECK(bytes.ends_with("\n51 52 53 54 55 56 57 58"));
  // 14 registers of zero, two in a line.
  std::string middle;
  for (int line = 0; line < 7; ++line) {
    middle += "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n";
  }
  CHECK(bytes.find(middle + "51") == begin.size());
}

TEST_CASE("a VMM does not believe a record that no VMM has written") {
  CHECK(filled_record().valid());
  const auto with = [](auto change) {
    vmm::VmmRecord record = filled_record();
    change(record);
    return record.valid();
  };
  CHECK_FALSE(with([](vmm::VmmRecord& record) { ++record.magic; }));
  CHECK_FALSE(with([](vmm::VmmRecord& record) { ++record.version; }));
  CHECK_FALSE(with([](vmm::VmmRecord& record) { --record.bytes; }));
  CHECK_FALSE(with([](vmm::VmmRecord& record) { record.carried = vmm::Carried{3}; }));
  CHECK_FALSE(with([](vmm::VmmRecord& record) { record.goes_on = 2; }));
  CHECK(vmm::VcpuRegisters().valid());
  vmm::VcpuRegisters other;
  other.bytes = 176;
  CHECK_FALSE(other.valid());
}
