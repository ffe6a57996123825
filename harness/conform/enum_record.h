// A measured run of a real kernel, access by access: what firmware left in every function, and what
// Linux then did to configuration space in a cold boot, a shutdown for kexec and the boot after it
// (tests/conformance/data/README.md). Everything is read from the record; nothing here knows a
// certain one.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/conform/json_input.h"
#include "sim/address.h"

namespace baton::harness {

// One access of the record. `absent`: no such function.
struct EnumAccess {
  Bdf function;
  bool write = false;
  std::uint16_t offset = 0;
  unsigned bytes = 0;
  std::uint32_t value = 0;
  bool absent = false;
};

// What ran: an initcall, "shutdown DRIVER BDF", a module, a marker of the init script.
struct EnumContext {
  std::string name;
  std::vector<EnumAccess> accesses;
  // Up to the first blank.
  std::string_view word() const;
};
using EnumPhase = std::vector<EnumContext>;

struct EnumBar {
  unsigned index = 0;
  bool memory = true;
  bool is_64bit = false;
  bool prefetchable = false;
  std::uint64_t size = 0;
};

// A function as firmware left it, and which bits software can write.
struct EnumFunction {
  std::vector<std::byte> bytes;
  std::vector<std::byte> writable;
  std::vector<std::byte> write_one_to_clear;
  std::vector<EnumBar> bars;
  std::vector<EnumBar> vf_bars;
  std::uint64_t rom = 0;
  bool hot_added = false;
};

// Final registers of one function in one state.
struct EnumState {
  std::uint32_t command = 0;
  std::map<unsigned, std::uint64_t> bars;
  std::optional<std::uint64_t> rom;
  std::optional<std::array<unsigned, 3>> buses;
  using Window = std::optional<std::pair<std::uint64_t, std::uint64_t>>;
  Window io;
  Window memory;
  Window prefetchable;
  std::optional<std::uint32_t> bridge_control;
};

struct EnumVariant {
  std::string name;  // plain, assign, realloc
  std::map<std::string, EnumPhase> phases;
  std::map<std::string, std::map<Bdf, EnumState>> states;
};

struct EnumRecord {
  std::string name;
  std::map<Bdf, EnumFunction> functions;
  std::vector<EnumVariant> variants;  // plain first
  bool native_hotplug = false;        // on root bus 0; below other root buses always
  bool acs_requested = false;         // an IOMMU driver runs

  const EnumPhase& phase(const EnumVariant& variant, std::string_view which) const;
};

std::expected<EnumRecord, std::string> read_enum_record(const std::string& file,
                                                        const boost::json::value& document);

}  // namespace baton::harness
