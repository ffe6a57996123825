// The controller registers as field rows, in the order of the specification [NVMe 1.4, 3.1].
//
// CMBLOC and CMBSZ tell of a controller memory buffer without CMBMSC (CAP.CMBS is 0), always
// reachable; it supports none of the uses by the controller itself.
//
// Reserved or not offered, and therefore zero: NSSR (CAP.NSSRS is 0), boot partitions, persistent
// memory region. INTMS and INTMC serve pin and MSI
// interrupts; with MSI-X software leaves them alone [NVMe 1.4, 3.1.3], and here they read as zero
// and ignore writes.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "model/pci/field.h"

namespace baton::devices::nvme {

namespace offset {
inline constexpr std::uint32_t kCap = 0x00;
inline constexpr std::uint32_t kVs = 0x08;
inline constexpr std::uint32_t kIntms = 0x0C;
inline constexpr std::uint32_t kIntmc = 0x10;
inline constexpr std::uint32_t kCc = 0x14;
inline constexpr std::uint32_t kCsts = 0x1C;
inline constexpr std::uint32_t kAqa = 0x24;
inline constexpr std::uint32_t kAsq = 0x28;
inline constexpr std::uint32_t kAcq = 0x30;
inline constexpr std::uint32_t kCmbloc = 0x38;
inline constexpr std::uint32_t kCmbsz = 0x3C;
inline constexpr std::uint32_t kEnd = 0x40;
// Queue y: submission tail at kDoorbells + 8 y, completion head 4 above (CAP.DSTRD is 0).
inline constexpr std::uint32_t kDoorbells = 0x1000;
}  // namespace offset

// Controller limits that CAP tells.
inline constexpr std::uint32_t kQueueEntriesMax = 4096;
inline constexpr std::uint32_t kTimeoutUnits = 20;  // CAP.TO, 500 ms each
inline constexpr std::uint32_t kVersion = 0x00010400;

namespace detail {
using enum pci::Access;
inline constexpr pci::Field kRows[] = {
    {"CAP", 0x00, 4, 15, 0, kRo, "MQES"},
    {"CAP", 0x00, 4, 16, 16, kRo, "CQR"},
    {"CAP", 0x00, 4, 18, 17, kRo, "AMS"},
    {"CAP", 0x00, 4, 23, 19, kRo, "Reserved"},
    {"CAP", 0x00, 4, 31, 24, kRo, "TO"},
    {"CAP", 0x04, 4, 3, 0, kRo, "DSTRD"},
    {"CAP", 0x04, 4, 4, 4, kRo, "NSSRS"},
    {"CAP", 0x04, 4, 12, 5, kRo, "CSS"},
    {"CAP", 0x04, 4, 13, 13, kRo, "BPS"},
    {"CAP", 0x04, 4, 15, 14, kRo, "Reserved"},
    {"CAP", 0x04, 4, 19, 16, kRo, "MPSMIN"},
    {"CAP", 0x04, 4, 23, 20, kRo, "MPSMAX"},
    {"CAP", 0x04, 4, 24, 24, kRo, "PMRS"},
    {"CAP", 0x04, 4, 25, 25, kRo, "CMBS"},
    {"CAP", 0x04, 4, 31, 26, kRo, "Reserved"},
    {"VS", 0x08, 4, 7, 0, kRo, "TER"},
    {"VS", 0x08, 4, 15, 8, kRo, "MNR"},
    {"VS", 0x08, 4, 31, 16, kRo, "MJR"},
    {"INTMS", 0x0C, 4, 31, 0, kRo, "IVMS"},
    {"INTMC", 0x10, 4, 31, 0, kRo, "IVMC"},
    {"CC", 0x14, 4, 0, 0, kRw, "EN"},
    {"CC", 0x14, 4, 3, 1, kRsvdP, "Reserved"},
    {"CC", 0x14, 4, 6, 4, kRw, "CSS"},
    {"CC", 0x14, 4, 10, 7, kRw, "MPS"},
    {"CC", 0x14, 4, 13, 11, kRw, "AMS"},
    {"CC", 0x14, 4, 15, 14, kRw, "SHN"},
    {"CC", 0x14, 4, 19, 16, kRw, "IOSQES"},
    {"CC", 0x14, 4, 23, 20, kRw, "IOCQES"},
    {"CC", 0x14, 4, 31, 24, kRsvdP, "Reserved"},
    {"CSTS", 0x1C, 4, 0, 0, kRo, "RDY"},
    {"CSTS", 0x1C, 4, 1, 1, kRo, "CFS"},
    {"CSTS", 0x1C, 4, 3, 2, kRo, "SHST"},
    {"CSTS", 0x1C, 4, 4, 4, kRo, "NSSRO"},
    {"CSTS", 0x1C, 4, 5, 5, kRo, "PP"},
    {"CSTS", 0x1C, 4, 31, 6, kRo, "Reserved"},
    {"AQA", 0x24, 4, 11, 0, kRw, "ASQS"},
    {"AQA", 0x24, 4, 15, 12, kRsvdP, "Reserved"},
    {"AQA", 0x24, 4, 27, 16, kRw, "ACQS"},
    {"AQA", 0x24, 4, 31, 28, kRsvdP, "Reserved"},
    {"ASQ", 0x28, 4, 11, 0, kRsvdP, "Reserved"},
    {"ASQ", 0x28, 4, 31, 12, kRw, "ASQB"},
    {"ASQ", 0x2C, 4, 31, 0, kRw, "ASQB upper"},
    {"ACQ", 0x30, 4, 11, 0, kRsvdP, "Reserved"},
    {"ACQ", 0x30, 4, 31, 12, kRw, "ACQB"},
    {"ACQ", 0x34, 4, 31, 0, kRw, "ACQB upper"},
    {"CMBLOC", 0x38, 4, 2, 0, kRo, "BIR"},
    {"CMBLOC", 0x38, 4, 11, 3, kRo, "Reserved"},
    {"CMBLOC", 0x38, 4, 31, 12, kRo, "OFST"},
    {"CMBSZ", 0x3C, 4, 0, 0, kRo, "SQS"},
    {"CMBSZ", 0x3C, 4, 1, 1, kRo, "CQS"},
    {"CMBSZ", 0x3C, 4, 2, 2, kRo, "LISTS"},
    {"CMBSZ", 0x3C, 4, 3, 3, kRo, "RDS"},
    {"CMBSZ", 0x3C, 4, 4, 4, kRo, "WDS"},
    {"CMBSZ", 0x3C, 4, 7, 5, kRo, "Reserved"},
    {"CMBSZ", 0x3C, 4, 11, 8, kRo, "SZU"},
    {"CMBSZ", 0x3C, 4, 31, 12, kRo, "SZ"},
};
static_assert(pci::tiles(kRows));

consteval pci::Field find(std::string_view register_name, std::string_view name) {
  for (const pci::Field& row : kRows) {
    if (row.register_name == register_name && row.name == name) return row;
  }
  throw "no such field";
}
}  // namespace detail

namespace field {
inline constexpr pci::Field kEn = detail::find("CC", "EN");
inline constexpr pci::Field kCss = detail::find("CC", "CSS");
inline constexpr pci::Field kMps = detail::find("CC", "MPS");
inline constexpr pci::Field kAms = detail::find("CC", "AMS");
inline constexpr pci::Field kShn = detail::find("CC", "SHN");
inline constexpr pci::Field kIosqes = detail::find("CC", "IOSQES");
inline constexpr pci::Field kIocqes = detail::find("CC", "IOCQES");
inline constexpr pci::Field kRdy = detail::find("CSTS", "RDY");
inline constexpr pci::Field kCfs = detail::find("CSTS", "CFS");
inline constexpr pci::Field kShst = detail::find("CSTS", "SHST");
inline constexpr pci::Field kAsqs = detail::find("AQA", "ASQS");
inline constexpr pci::Field kAcqs = detail::find("AQA", "ACQS");
}  // namespace field

// A value in its field, and out of it.
constexpr std::uint32_t put(const pci::Field& row, std::uint32_t value) {
  return (value << row.low) & row.mask();
}
constexpr std::uint32_t get(const pci::Field& row, std::uint32_t word) {
  return (word & row.mask()) >> row.low;
}

// The bytes of the registers below the doorbells.
class Registers {
 public:
  // `buffer_bytes`: of the controller memory buffer in BAR `buffer_bar`, units of 4 KiB.
  Registers(std::uint64_t buffer_bytes, unsigned buffer_bar)
      : buffer_units_(static_cast<std::uint32_t>(buffer_bytes >> 12)), buffer_bar_(buffer_bar) {
    reset();
  }

  // Function level reset, hot reset, power-on: all registers.
  void reset();
  // Controller reset (CC.EN cleared): all but AQA, ASQ and ACQ [NVMe 1.4, 7.3.2], and CC itself,
  // which software has just written.
  void reset_controller();

  std::uint32_t read(std::uint32_t at) const;  // a dword, aligned; 0 outside
  void write(std::uint32_t at, std::uint32_t value);

  std::uint32_t get(const pci::Field& row) const { return nvme::get(row, read(row.offset)); }
  void set(const pci::Field& row, std::uint32_t value);
  std::uint64_t admin_submission_base() const;
  std::uint64_t admin_completion_base() const;

 private:
  std::uint32_t buffer_units_;
  std::uint32_t buffer_bar_;
  std::array<std::uint32_t, offset::kEnd / 4> words_{};
};

std::span<const pci::Field> register_rows();

}  // namespace baton::devices::nvme
