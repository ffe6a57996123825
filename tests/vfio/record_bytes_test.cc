// The bytes of every record that one kernel leaves the next, with a value in each field that needs
// all of its bytes: a field at another offset, of another width, or cut to 32 bits shows. Offsets
// are those of docs/abi.md and of the headers that define the records.
#include <bit>

#include "model/iommufd/records.h"
#include "model/kho/abi.h"
#include "model/linux/iommu/records.h"
#include "model/linux/pci/device_paths.h"
#include "model/linux/pci/driver_records.h"
#include "model/linux/pci/function_shapes.h"
#include "model/luo/abi.h"
#include "model/luo/memfd/memfd_abi.h"
#include "model/vfio/device_state_flb.h"

namespace {

using namespace baton;

// Sixteen bytes a line, in pairs of digits.
std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    text += fmt::format("{:02x}", static_cast<unsigned>(bytes[i]));
    if (i + 1 < bytes.size()) text += i % 16 == 15 ? "\n" : (i % 8 == 7 ? "  " : " ");
  }
  return text;
}

template <class Record>
std::string hex_of(const Record& record) {
  const auto bytes = std::bit_cast<std::array<std::byte, sizeof(Record)>>(record);
  return hex(bytes);
}

// A number whose bytes are n1, n2, .. n8 in memory: none is zero, each field has its own.
constexpr std::uint64_t whole(std::uint64_t n) {
  std::uint64_t value = 0;
  for (std::uint64_t i = 8; i > 0; --i) value = value << 8 | (n << 4 | i);
  return value;
}
constexpr std::uint32_t half(std::uint64_t n) { return static_cast<std::uint32_t>(whole(n)); }
constexpr std::uint16_t word(std::uint64_t n) { return static_cast<std::uint16_t>(whole(n)); }
constexpr std::uint8_t one(std::uint64_t n) { return static_cast<std::uint8_t>(whole(n)); }
constexpr Sbdf place(std::uint64_t n, std::uint64_t m) { return {half(n), Bdf(word(m))}; }

template <std::size_t N>
std::array<char, N> text(std::string_view from) {
  std::array<char, N> bytes{};
  std::ranges::copy(from, bytes.begin());
  return bytes;
}

}  // namespace

TEST_CASE("the records of KHO have these bytes") {
  CHECK(hex_of(kho::abi::Scratch{.address = whole(1), .size = whole(2)}) ==
        "11 12 13 14 15 16 17 18  21 22 23 24 25 26 27 28");
  CHECK(hex_of(kho::abi::SetupData{.next = whole(1), .type = half(2), .length = half(3)}) ==
        "11 12 13 14 15 16 17 18  21 22 23 24 31 32 33 34");
  CHECK(hex_of(kho::abi::SetupKho{.fdt_address = whole(1),
                                  .fdt_size = whole(2),
                                  .scratch_address = whole(3),
                                  .scratch_size = whole(4)}) ==
        "11 12 13 14 15 16 17 18  21 22 23 24 25 26 27 28\n"
        "31 32 33 34 35 36 37 38  41 42 43 44 45 46 47 48");
}

TEST_CASE("the records of LUO have these bytes") {
  luo::abi::Header header;
  header.liveupdate_number = whole(1);
  header.sessions = whole(2);
  header.flbs = whole(3);
  CHECK(hex_of(header) ==
        "6c 75 6f 2d 76 35 00 00  11 12 13 14 15 16 17 18\n"
        "21 22 23 24 25 26 27 28  31 32 33 34 35 36 37 38");
  const std::string last_of_name = std::string(62, 'n') + "!";
  CHECK(hex_of(luo::abi::SessionEntry{
                   .name = text<64>(last_of_name), .files = whole(1), .count = whole(2)})
            .ends_with("6e 6e 6e 6e 6e 6e 6e 6e  6e 6e 6e 6e 6e 6e 21 00\n"
                       "11 12 13 14 15 16 17 18  21 22 23 24 25 26 27 28"));
  const std::string last_of_kind = std::string(46, 'c') + "!";
  CHECK(hex_of(luo::abi::FileEntry{.compatible = luo::abi::compatible(last_of_kind),
                                   .data = whole(1),
                                   .token = whole(2)})
            .ends_with("63 63 63 63 63 63 63 63  63 63 63 63 63 63 21 00\n"
                       "11 12 13 14 15 16 17 18  21 22 23 24 25 26 27 28"));
  CHECK(hex_of(luo::abi::FlbPageHeader{.pages = whole(1), .count = whole(2)}) ==
        "11 12 13 14 15 16 17 18  21 22 23 24 25 26 27 28");
  CHECK(hex_of(luo::abi::FlbEntry{.compatible = luo::abi::compatible(last_of_kind),
                                  .data = whole(1),
                                  .count = whole(2)})
            .ends_with("63 63 63 63 63 63 63 63  63 63 63 63 63 63 21 00\n"
                       "11 12 13 14 15 16 17 18  21 22 23 24 25 26 27 28"));
}

TEST_CASE("the records of a memfd have these bytes") {
  luo::abi::MemfdRecord record;
  record.pos = whole(1);
  record.size = whole(2);
  record.seals = half(3);
  record.flags = half(4);
  record.nr_folios = whole(5);
  record.folios = {
      .first_chunk = whole(6), .total_pages = half(7), .flags = word(8), .order = word(9)};
  CHECK(hex_of(record) ==
        "11 12 13 14 15 16 17 18  21 22 23 24 25 26 27 28\n"
        "31 32 33 34 41 42 43 44  51 52 53 54 55 56 57 58\n"
        "61 62 63 64 65 66 67 68  71 72 73 74 81 82 91 92");
  CHECK(hex_of(luo::abi::FolioRecord{.word = whole(1), .index = whole(2)}) ==
        "11 12 13 14 15 16 17 18  21 22 23 24 25 26 27 28");
}

TEST_CASE("the records of the IOMMU core have these bytes, and are read back from them") {
  using linux::iommu::DeviceRecord;
  using linux::iommu::DomainRecord;
  using linux::iommu::UnitRecord;
  DomainRecord domain;
  domain.header = {half(1), half(2)};
  domain.top_table = PhysAddr(whole(3));
  domain.top_level = whole(4);
  domain.vasz = half(5);
  domain.sign_extend = true;
  domain.restored = whole(6);
  const std::string domain_bytes =
      "11 12 13 14 21 22 23 24  31 32 33 34 35 36 37 38\n"
      "41 42 43 44 45 46 47 48  51 52 53 54 01 61 62 63\n"
      "64 65 66 67 68";
  CHECK(hex(domain.encode()) == domain_bytes);
  CHECK(hex(DomainRecord::decode(domain.encode()).encode()) == domain_bytes);

  DeviceRecord device;
  device.header = {half(1), half(2)};
  device.address = place(3, 4);
  device.attachment_id = whole(5);
  device.domain_record = PhysAddr(whole(6));
  device.unit_record = PhysAddr(whole(7));
  device.owner_token = whole(8);
  device.pasid_table = PhysAddr(whole(9));
  device.max_pasid = whole(10);
  const std::string device_bytes =
      "11 12 13 14 21 22 23 24  41 42 00 00 31 32 33 34\n"
      "51 52 53 54 55 56 57 58  61 62 63 64 65 66 67 68\n"
      "71 72 73 74 75 76 77 78  81 82 83 84 85 86 87 88\n"
      "91 92 93 94 95 96 97 98  a1 a2 a3 a4 a5 a6 a7 a8\n"
      "00 00 00 00 00 00 00 00";
  CHECK(hex(device.encode()) == device_bytes);
  CHECK(hex(DeviceRecord::decode(device.encode()).encode()) == device_bytes);

  UnitRecord unit;
  unit.header = {half(1), half(2)};
  unit.token = whole(3);
  unit.type = whole(4);
  unit.registers = PhysAddr(whole(5));
  unit.root_table = PhysAddr(whole(6));
  for (std::size_t i = 0; i < unit.context_tables.size(); ++i) {
    unit.context_tables[i] = whole(7 + i);
  }
  const std::string unit_bytes =
      "11 12 13 14 21 22 23 24  31 32 33 34 35 36 37 38\n"
      "41 42 43 44 45 46 47 48  00 00 00 00 00 00 00 00\n"
      "51 52 53 54 55 56 57 58  61 62 63 64 65 66 67 68\n"
      "71 72 73 74 75 76 77 78  81 82 83 84 85 86 87 88\n"
      "91 92 93 94 95 96 97 98  a1 a2 a3 a4 a5 a6 a7 a8\n"
      "b1 b2 b3 b4 b5 b6 b7 b8  c1 c2 c3 c4 c5 c6 c7 c8\n"
      "d1 d2 d3 d4 d5 d6 d7 d8  e1 e2 e3 e4 e5 e6 e7 e8";
  CHECK(hex(unit.encode()) == unit_bytes);
  CHECK(hex(UnitRecord::decode(unit.encode()).encode()) == unit_bytes);
}

TEST_CASE("the HWPTs of an iommufd have these bytes, and are read back from them") {
  const iommufd::HwptRecords records{{.domain = PhysAddr(whole(1)), .token = whole(2)},
                                     {.domain = PhysAddr(whole(3)), .token = whole(4)}};
  const std::vector<std::byte> bytes = iommufd::encode(records);
  CHECK(hex(bytes) ==
        "02 00 00 00 00 00 00 00  11 12 13 14 15 16 17 18\n"
        "21 22 23 24 25 26 27 28  00 00 00 00 00 00 00 00\n"
        "31 32 33 34 35 36 37 38  41 42 43 44 45 46 47 48\n"
        "00 00 00 00 00 00 00 00");
  const auto read = iommufd::decode_hwpts(bytes);
  REQUIRE(read);
  CHECK(iommufd::encode(*read) == bytes);
}

TEST_CASE("the contents of an iommufd have these bytes, and are read back from them") {
  // Ids fit an int, and what is mapped is whole pages.
  constexpr std::uint64_t kPages = 0xFFF;
  iommufd::Contents contents;
  contents.token = whole(1);
  contents.ioas = {{.id = half(2), .areas = 1}, {.id = half(3), .areas = 1}};
  contents.areas = {{.iova = whole(4) & ~kPages,
                     .length = whole(5) & ~kPages,
                     .memfd_token = whole(6),
                     .offset = whole(1) & ~kPages,
                     .read = true,
                     .write = false},
                    {.iova = whole(2) & ~kPages,
                     .length = whole(3) & ~kPages,
                     .memfd_token = whole(4),
                     .offset = whole(5) & ~kPages,
                     .read = true,
                     .write = true,
                     .region = 4}};
  contents.hwpts = {{.id = half(4), .ioas_id = half(3), .automatic = true}};
  std::vector<std::byte> bytes = contents.encode();
  const iommufd::Contents::BoundDevice device{
      .id = half(5), .hwpt_id = half(4), .address = place(6, 7)};
  const std::uint64_t slot = iommufd::device_slot_offset(contents, 1);
  std::ranges::copy(iommufd::encode_device(device),
                    bytes.begin() + static_cast<std::ptrdiff_t>(slot));
  CHECK(slot == 64 + 2 * 16 + 2 * 40 + 16 + 16);
  CHECK(bytes.size() == slot + 63 * 16);
  CHECK(hex(std::span(bytes).first(slot + 16)) ==
        "11 12 13 14 15 16 17 18  02 00 00 00 02 00 00 00\n"
        "01 00 00 00 40 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "21 22 23 24 01 00 00 00  00 00 00 00 00 00 00 00\n"
        "31 32 33 34 01 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 40 43 44 45 46 47 48  00 50 53 54 55 56 57 58\n"
        "61 62 63 64 65 66 67 68  00 10 13 14 15 16 17 18\n"
        "04 00 00 00 00 00 00 00  00 20 23 24 25 26 27 28\n"
        "00 30 33 34 35 36 37 38  41 42 43 44 45 46 47 48\n"
        "00 50 53 54 55 56 57 58  06 00 00 00 05 00 00 00\n"
        "41 42 43 44 31 32 33 34  01 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "51 52 53 54 41 42 43 44  61 62 63 64 71 72 00 00");
  const auto read = iommufd::Contents::decode(bytes);
  REQUIRE(read);
  REQUIRE(read->devices.size() == 1);
  CHECK(read->devices[0].address == device.address);
  CHECK(read->devices[0].hwpt_id == device.hwpt_id);
  CHECK(read->areas[1].region == 4U);
  CHECK(read->areas[0].write == false);
  CHECK(read->encode() == contents.encode());
}

TEST_CASE("the PCI core's own records have these bytes") {
  linux::pci::FunctionShape shape;
  shape.domain = half(1);
  shape.bdf = word(2);
  shape.windows = one(3);
  shape.used = one(4);
  for (std::size_t i = 0; i < shape.bar_sizes.size(); ++i) shape.bar_sizes[i] = whole(5 + i);
  shape.rom_size = whole(11);
  CHECK(hex_of(shape) ==
        "11 12 13 14 21 22 31 41  51 52 53 54 55 56 57 58\n"
        "61 62 63 64 65 66 67 68  71 72 73 74 75 76 77 78\n"
        "81 82 83 84 85 86 87 88  91 92 93 94 95 96 97 98\n"
        "a1 a2 a3 a4 a5 a6 a7 a8  b1 b2 b3 b4 b5 b6 b7 b8");
  linux::pci::PathEntry path;
  path.domain = half(1);
  path.bdf = word(2);
  path.hops = one(3);
  path.used = one(4);
  path.host_bridge = half(5);
  path.vendor = word(6);
  path.device = word(7);
  path.serial = whole(8);
  path.devfn.front() = one(9);
  path.devfn.back() = one(10);
  CHECK(hex_of(path) ==
        "11 12 13 14 21 22 31 41  51 52 53 54 61 62 71 72\n"
        "81 82 83 84 85 86 87 88  91 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 a1");
  linux::pci::DriverRecord driver;
  driver.domain = half(1);
  driver.bdf = word(2);
  driver.used = word(3);
  driver.format.front() = one(4);
  driver.format.back() = one(5);
  driver.name.front() = 'a';
  driver.name.back() = 'z';
  CHECK(hex_of(driver) ==
        "11 12 13 14 21 22 31 32  41 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 51  61 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 7a");
}

TEST_CASE("the record of a running device has these bytes") {
  vfio::DeviceState state;
  state.domain = half(1);
  state.bdf = word(2);
  state.used = one(3);
  state.reset_works = one(4);
  state.vconfig.front() = static_cast<vfio::VirtualHeader::value_type>(one(5));
  state.vconfig.back() = static_cast<vfio::VirtualHeader::value_type>(one(6));
  state.real_bars.front() = half(7);
  state.real_bars.back() = half(8);
  state.msix_vectors = half(9);
  state.saved_header.front() = half(10);
  state.saved_header.back() = half(11);
  state.saved_pcie.front() = word(12);
  state.saved_pcie.back() = word(13);
  CHECK(hex_of(state) ==
        "11 12 13 14 21 22 31 41  51 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 61  71 72 73 74 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "81 82 83 84 91 92 93 94  00 00 00 00 00 00 00 00\n"
        "a1 a2 a3 a4 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 b1 b2 b3 b4\n"
        "c1 c2 00 00 00 00 00 00  00 00 00 00 d1 d2 00 00");
}
