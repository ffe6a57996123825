// The parameters of the kernel command line that KHO and LUO read [linux kernel/params.c,
// kernel/liveupdate/kexec_handover.c kho_parse_enable, kho_parse_scratch_size].
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace baton::kho {

// Value of the last `name=value` of the command line.
std::optional<std::string_view> parameter(std::string_view command_line, std::string_view name);

// A boolean parameter (kstrtobool): on, off, y, n, 1, 0 and the like; nullopt when it is absent or
// unreadable.
std::optional<bool> flag(std::string_view command_line, std::string_view name);

// kho_scratch=: either a scale in percent of what the kernel reserves, or three sizes.
struct ScratchSizing {
  std::uint64_t scale_percent = 200;  // 0 when the sizes are given
  std::uint64_t lowmem = 0;
  std::uint64_t global = 0;
  std::uint64_t per_node = 0;
};

// nullopt for what the kernel answers with EINVAL (the parameter is then ignored).
std::optional<ScratchSizing> parse_scratch_sizing(std::string_view text);

}  // namespace baton::kho
