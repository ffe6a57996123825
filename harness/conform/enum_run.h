// The model's kernels on a host rebuilt from a record: cold boot, shutdown, boot after kexec.
//
// The host has the record's functions with their firmware bytes and measured write masks on the
// fabric of model/pci, and nothing of the record's Linux but what is input: the writes of drivers
// that are not modelled, and which function had one. Those are applied at their place, straight to
// the hardware; what the model's kernels write is what they decide themselves.
#pragma once

#include <array>
#include <expected>
#include <map>
#include <string>
#include <vector>

#include "harness/conform/enum_record.h"

namespace baton::harness {

struct EnumWrite {
  Bdf function;
  std::uint16_t offset = 0;
  unsigned bytes = 0;
  std::uint32_t value = 0;
  friend bool operator==(const EnumWrite&, const EnumWrite&) = default;
};

// Phases that are compared.
inline constexpr std::array kEnumPhases{"linux_cold_enum", "kexec_shutdown", "linux_kexec_enum"};

// One variant as the model ran it.
struct EnumModelRun {
  std::array<std::vector<EnumWrite>, 3> writes;  // by kEnumPhases
  // Configuration space of every function, by state of the record.
  std::map<std::string, std::map<Bdf, std::vector<std::byte>>> states;
};

// Whether a write of the record is the PCI core's own (compared), or input. `command` is what the
// last access to Command in the same context showed, if there was one.
bool binds(std::string_view phase, const EnumContext& context, const EnumAccess& access,
           std::optional<std::uint32_t> command);

// The error says why the model's kernel stopped.
std::expected<EnumModelRun, std::string> run_enumeration(const EnumRecord& record,
                                                         const EnumVariant& variant);

}  // namespace baton::harness
