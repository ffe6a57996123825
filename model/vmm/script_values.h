// The values in a script's calls: numbers, names of earlier results, texts with "%i".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/vmm/script.h"

namespace baton::vmm {

// "%i" becomes the number of the repetition.
std::string with_index(std::string_view text, unsigned index);
// Decimal, hexadecimal with 0x, or negative decimal.
std::optional<std::int64_t> number_of(std::string_view text);
// The operand of that key, or null.
const std::string* operand(const ScriptCall& call, std::string_view key);

}  // namespace baton::vmm
