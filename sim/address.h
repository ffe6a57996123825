// The addresses and identifiers of a host, each a type of its own: a host physical address where an
// I/O virtual address is meant does not compile.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace baton::sim {

// A 64-bit address of one address space. Offsets are plain integers; two addresses of one space
// subtract to an offset.
template <class Space>
class Address {
 public:
  constexpr Address() = default;
  explicit constexpr Address(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }
  constexpr std::uint64_t page_number() const { return value_ >> 12; }
  constexpr std::uint64_t page_offset() const { return value_ & 0xFFF; }
  constexpr Address page_base() const { return Address(value_ & ~std::uint64_t{0xFFF}); }

  friend constexpr auto operator<=>(Address, Address) = default;
  friend constexpr Address operator+(Address a, std::uint64_t offset) {
    return Address(a.value_ + offset);
  }
  friend constexpr std::uint64_t operator-(Address a, Address b) { return a.value_ - b.value_; }

 private:
  std::uint64_t value_ = 0;
};

struct PhysicalSpace;
struct IoVirtualSpace;
struct GuestPhysicalSpace;
struct UserVirtualSpace;

using PhysAddr = Address<PhysicalSpace>;  // host physical
using Iova = Address<IoVirtualSpace>;     // what a device emits before translation
using GuestAddr = Address<GuestPhysicalSpace>;
using UserAddr = Address<UserVirtualSpace>;  // address in a host process

// A small number that names one thing of one kind.
template <class Kind, class Value>
class Id {
 public:
  constexpr Id() = default;
  explicit constexpr Id(Value value) : value_(value) {}
  constexpr Value value() const { return value_; }
  friend constexpr auto operator<=>(Id, Id) = default;

 private:
  Value value_ = 0;
};

struct PasidKind;
struct DomainKind;
struct VectorKind;

using Pasid = Id<PasidKind, std::uint32_t>;      // 20 bits [PCIe 6.20]
using DomainId = Id<DomainKind, std::uint16_t>;  // VT-d domain id
using Vector = Id<VectorKind, std::uint8_t>;     // interrupt vector of a CPU

// Bus, device, function: the routing id of PCI Express, bus[15:8] device[7:3] function[2:0].
class Bdf {
 public:
  constexpr Bdf() = default;
  explicit constexpr Bdf(std::uint16_t value) : value_(value) {}
  constexpr Bdf(unsigned bus, unsigned device, unsigned function)
      : value_(static_cast<std::uint16_t>(bus << 8 | device << 3 | function)) {}

  constexpr std::uint16_t value() const { return value_; }
  constexpr unsigned bus() const { return value_ >> 8; }
  constexpr unsigned device() const { return value_ >> 3 & 0x1F; }
  constexpr unsigned function() const { return value_ & 7; }
  constexpr unsigned devfn() const { return value_ & 0xFF; }

  friend constexpr auto operator<=>(Bdf, Bdf) = default;

 private:
  std::uint16_t value_ = 0;
};

// A function's place in the whole host: PCI segment (Linux: domain) and Bdf. Segments that firmware
// describes have 16 bits; the domains that Linux makes for host bridges of its own, such as those
// behind a VMD, are numbered from 0x10000 [linux drivers/pci/controller/vmd.c].
struct Sbdf {
  std::uint32_t segment = 0;
  Bdf bdf;
  friend constexpr auto operator<=>(const Sbdf&, const Sbdf&) = default;
};

std::string to_string(Bdf bdf);    // "3a:00.1"
std::string to_string(Sbdf sbdf);  // "0000:3a:00.1", "10000:e1:00.0"

}  // namespace baton::sim

namespace baton {
using sim::Bdf;
using sim::DomainId;
using sim::GuestAddr;
using sim::Iova;
using sim::Pasid;
using sim::PhysAddr;
using sim::Sbdf;
using sim::UserAddr;
using sim::Vector;
}  // namespace baton
