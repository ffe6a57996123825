#include "harness/conform/enum_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>

namespace baton::harness {

namespace {

constexpr std::size_t kMostBytes = 4096;

std::vector<std::byte> padded(std::vector<std::byte> bytes, std::size_t size) {
  bytes.resize(std::max(bytes.size(), size));
  return bytes;
}

std::optional<std::int64_t> integer(const boost::json::value& value) {
  if (value.is_int64()) return value.get_int64();
  if (value.is_uint64() && value.get_uint64() <= INT64_MAX) {
    return static_cast<std::int64_t>(value.get_uint64());
  }
  return std::nullopt;
}

std::optional<Bdf> bdf_of(std::string_view text) {
  const auto hex = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  if (text.size() != 7 || text[2] != ':' || text[5] != '.') return std::nullopt;
  const int bus_high = hex(text[0]);
  const int bus_low = hex(text[1]);
  const int device_high = hex(text[3]);
  const int device_low = hex(text[4]);
  const int function = hex(text[6]);
  if (bus_high < 0 || bus_low < 0 || device_high < 0 || device_high > 1 || device_low < 0 ||
      function < 0 || function > 7) {
    return std::nullopt;
  }
  return Bdf(static_cast<unsigned>(bus_high * 16 + bus_low),
             static_cast<unsigned>(device_high * 16 + device_low), static_cast<unsigned>(function));
}

// [bdf, "r" or "w", offset, size, value, path]. False: it is none.
bool read_access(const boost::json::array& parts, EnumAccess& access) {
  if (parts.size() != 6 || !parts[0].is_string() || !parts[1].is_string()) return false;
  const auto function = bdf_of(parts[0].get_string());
  const auto offset = integer(parts[2]);
  const auto size = integer(parts[3]);
  const auto value = integer(parts[4]);
  if (!function || !offset || !size || !value) return false;
  const bool whole = *size == 1 || *size == 2 || *size == 4;
  if (!whole || *offset < 0 || *offset + *size > static_cast<std::int64_t>(kMostBytes) ||
      *offset % *size != 0 || *value < -1 || *value > UINT32_MAX) {
    return false;
  }
  access.function = *function;
  access.write = parts[1].get_string() == "w";
  access.offset = static_cast<std::uint16_t>(*offset);
  access.bytes = static_cast<unsigned>(*size);
  access.absent = *value == -1;
  access.value = static_cast<std::uint32_t>(*value);
  return true;
}

EnumPhase read_phase(const JsonField& field) {
  EnumPhase phase;
  for (const JsonField& entry : field.items()) {
    EnumContext& context = phase.emplace_back();
    context.name = entry.at("context").text();
    const JsonField accesses = entry.at("accesses");
    const boost::json::array* list = accesses.array();
    if (list == nullptr) continue;
    for (std::size_t i = 0; i < list->size(); ++i) {
      const boost::json::value& value = (*list)[i];
      const bool unit = value.is_array() && value.get_array().size() == 2;
      if (unit) continue;  // ["vtd", event]
      EnumAccess access;
      if (!value.is_array() || !read_access(value.get_array(), access)) {
        accesses.fail(fmt::format(
            "entry {} must be [\"bb:dd.f\", \"r\" or \"w\", offset, size, value, path]", i));
        return phase;
      }
      context.accesses.push_back(access);
    }
  }
  return phase;
}

std::vector<EnumBar> read_bars(const JsonField& field, bool vf) {
  std::vector<EnumBar> bars;
  for (const JsonField& entry : field.items()) {
    EnumBar bar;
    bar.index = static_cast<unsigned>(entry.at("index").number(5));
    const std::string kind = entry.at("kind").text();
    bar.memory = kind != "io";
    bar.is_64bit = kind == "mem64";
    if (kind != "io" && kind != "mem32" && kind != "mem64") {
      entry.fail("kind must be io, mem32 or mem64");
    }
    bar.prefetchable = entry.at("prefetch").boolean();
    bar.size = entry.at("size").number();
    if (!std::has_single_bit(bar.size) || (bar.is_64bit && bar.index == 5 && !vf)) {
      entry.fail("size must be a power of two, and a 64-bit BAR needs two registers");
    }
    bars.push_back(bar);
  }
  return bars;
}

EnumFunction read_function(const JsonField& field) {
  EnumFunction function;
  const std::size_t size = field.at("len").number(kMostBytes);
  if (size != 256 && size != kMostBytes) field.fail("len must be 256 or 4096");
  function.bytes = padded(field.at("fw").bytes(), size);
  function.writable = padded(field.at("rw").bytes(), size);
  function.write_one_to_clear = padded(field.at("w1c").bytes(), size);
  for (const auto* part : {&function.bytes, &function.writable, &function.write_one_to_clear}) {
    if (part->size() != size) field.fail("has more bytes than len");
  }
  function.bars = read_bars(field.at("bars"), false);
  if (const auto vfs = field.maybe("vf_bars")) function.vf_bars = read_bars(*vfs, true);
  function.rom = field.at("rom").number();
  if (function.rom != 0 && !std::has_single_bit(function.rom)) {
    field.fail("rom must be a power of two");
  }
  if (const auto hot = field.maybe("hot_added")) function.hot_added = hot->boolean();
  if (const auto entry = field.maybe("kernel_entry")) {
    for (const JsonField& item : entry->items()) {
      const std::vector<JsonField> parts = item.items();
      if (parts.size() != 3) {
        item.fail("must be [offset, size, value]");
        break;
      }
      const std::size_t offset = parts[0].number(size - 1);
      const std::size_t bytes = parts[1].number(4);
      const std::uint64_t value = parts[2].number(UINT32_MAX);
      for (std::size_t i = 0; i < bytes && offset + i < function.bytes.size(); ++i) {
        function.bytes[offset + i] = static_cast<std::byte>(value >> (8 * i));
      }
    }
  }
  return function;
}

EnumState::Window read_window(const JsonField& state, std::string_view key) {
  const auto field = state.maybe(key);
  if (!field || field->is_null()) return std::nullopt;
  const std::vector<JsonField> ends = field->items();
  if (ends.size() != 2) {
    field->fail("must be [first, last] or null");
    return std::nullopt;
  }
  return std::pair(ends[0].number(), ends[1].number());
}

std::uint32_t hex_number(const JsonField& field) {
  const std::string text = field.text();
  std::uint32_t value = 0;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0 || text.size() > 8) {
      field.fail("must be hexadecimal digits");
      return 0;
    }
    value = value << 4 | static_cast<std::uint32_t>(digit);
  }
  return value;
}

EnumState read_state(const JsonField& field) {
  EnumState state;
  state.command = hex_number(field.at("cmd"));
  if (const auto bars = field.maybe("bars")) {
    for (const JsonField& bar : bars->items()) {
      const std::vector<JsonField> parts = bar.items();
      if (parts.size() != 3) {
        bar.fail("must be [index, kind, address]");
        break;
      }
      state.bars[static_cast<unsigned>(parts[0].number(5))] = parts[2].number();
    }
  }
  if (const auto rom = field.maybe("rom"); rom && !rom->is_null()) state.rom = rom->number();
  if (const auto buses = field.maybe("bus")) {
    const std::vector<JsonField> parts = buses->items();
    if (parts.size() == 3) {
      state.buses = std::array<unsigned, 3>{};
      for (std::size_t i = 0; i < 3; ++i) {
        (*state.buses)[i] = static_cast<unsigned>(parts[i].number(255));
      }
    } else {
      buses->fail("must be [primary, secondary, subordinate]");
    }
  }
  state.io = read_window(field, "io");
  state.memory = read_window(field, "mem");
  state.prefetchable = read_window(field, "pref");
  if (const auto control = field.maybe("brctl")) state.bridge_control = hex_number(*control);
  return state;
}

EnumVariant read_variant(const std::string& name, const JsonField& run, const JsonField& states) {
  EnumVariant variant;
  variant.name = name;
  for (const auto& [phase, field] : run.at("phases").members()) {
    variant.phases[phase] = read_phase(field);
  }
  for (const auto& [state, functions] : states.at(name).members()) {
    for (const auto& [bdf, field] : functions.members()) {
      const auto address = bdf_of(bdf);
      if (!address) {
        field.fail("is not of a function bb:dd.f");
        continue;
      }
      variant.states[state][*address] = read_state(field);
    }
  }
  return variant;
}

}  // namespace

std::string_view EnumContext::word() const {
  const std::string_view all = name;
  return all.substr(0, all.find(' '));
}

const EnumPhase& EnumRecord::phase(const EnumVariant& variant, std::string_view which) const {
  static const EnumPhase kNone;
  for (const EnumVariant* each : {&variant, variants.data()}) {
    const auto found = each->phases.find(std::string(which));
    if (found != each->phases.end()) return found->second;
  }
  return kNone;
}

std::expected<EnumRecord, std::string> read_enum_record(const std::string& file,
                                                        const boost::json::value& document) {
  std::string error;
  const JsonField root(document, error);
  EnumRecord record;
  record.name = root.at("topology").text();
  const std::string arguments = root.at("qemu_args").text();
  const auto says = [&](std::string_view word) { return arguments.contains(word); };
  record.native_hotplug = says("acpi-pci-hotplug-with-bridge-support=off");
  record.acs_requested = says("intel_iommu=on") || says("-device amd-iommu");
  for (const auto& [bdf, field] : root.at("config").members()) {
    const auto address = bdf_of(bdf);
    if (!address) {
      field.fail("is not of a function bb:dd.f");
      continue;
    }
    record.functions[*address] = read_function(field);
  }
  const JsonField runs = root.at("runs");
  const JsonField states = root.at("states");
  record.variants.push_back(read_variant("plain", runs.at("plain"), states));
  for (const auto& [name, run] : runs.members()) {
    if (name != "plain" && name != "fw") {
      record.variants.push_back(read_variant(name, run, states));
    }
  }
  if (error.empty() && record.functions.empty()) root.at("config").fail("has no function");
  if (!error.empty()) return std::unexpected(fmt::format("{}: {}", file, error));
  return record;
}

}  // namespace baton::harness
