#include "harness/conform/linux_enum.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "harness/conform/linux_enum_reviewed_json.h"
#include "model/pci/config_space.h"
#include "sim/check.h"

namespace baton::harness {

namespace {

constexpr std::array kComparedStates{"cold_kernel", "cold_drivers", "kexec_kernel",
                                     "kexec_drivers"};
constexpr std::uint32_t kAnyMessage = 0xFFFFFFFF;

std::uint32_t load(std::span<const std::byte> bytes, std::size_t offset, unsigned width) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + offset, width);
  return value;
}

// Offset of a function's MSI capability; 0 without one.
std::uint16_t msi_of(const EnumFunction& function) {
  return pci::ConfigSpace::recorded(function.bytes).find(pci::CapabilityId::kMsi);
}

// Which functions have their MSI capability where. After a renumbering the record's functions have
// other addresses; what tells is then the hardware, so both numberings are asked.
using MsiPlaces = std::map<Bdf, std::uint16_t>;

bool is_message(const MsiPlaces& places, const EnumWrite& write) {
  const auto found = places.find(write.function);
  if (found == places.end() || found->second == 0) return false;
  const unsigned at = write.offset - found->second;
  return write.offset > found->second && (at == 4 || at == 8 || at == 12);
}

std::vector<EnumWrite> binding_writes(const EnumPhase& phase, std::string_view name) {
  std::vector<EnumWrite> result;
  for (const EnumContext& context : phase) {
    std::map<Bdf, std::uint32_t> commands;
    for (const EnumAccess& access : context.accesses) {
      const auto seen = commands.find(access.function);
      const std::optional<std::uint32_t> command =
          seen == commands.end() ? std::nullopt : std::optional(seen->second);
      if (binds(name, context, access, command)) {
        result.push_back({access.function, access.offset, access.bytes, access.value});
      }
      if (access.offset == 0x04 && access.bytes >= 2) commands[access.function] = access.value;
    }
  }
  return result;
}

void forget_messages(std::vector<EnumWrite>& writes, const MsiPlaces& places, bool keep_zero) {
  for (EnumWrite& write : writes) {
    if (is_message(places, write) && !(keep_zero && write.value == 0)) write.value = kAnyMessage;
  }
}

// Fills `equal` and `differences` by the longest common subsequence.
void compare(const std::vector<EnumWrite>& a, const std::vector<EnumWrite>& b,
             EnumPhaseResult& result) {
  const std::size_t width = b.size() + 1;
  std::vector<std::uint32_t> best((a.size() + 1) * width);
  for (std::size_t i = a.size(); i-- > 0;) {
    for (std::size_t j = b.size(); j-- > 0;) {
      best[i * width + j] = a[i] == b[j]
                                ? best[(i + 1) * width + j + 1] + 1
                                : std::max(best[(i + 1) * width + j], best[i * width + j + 1]);
    }
  }
  result.recorded = a.size();
  result.model = b.size();
  result.equal = best[0];
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      ++i;
      ++j;
    } else if (j == b.size() ||
               (i < a.size() && best[(i + 1) * width + j] >= best[i * width + j + 1])) {
      result.differences.push_back({a[i], true, i, nullptr});
      ++i;
    } else {
      result.differences.push_back({b[j], false, j, nullptr});
      ++j;
    }
  }
}

// The registers of one function in the words of the record.
class Registers {
 public:
  Registers(std::span<const std::byte> bytes, std::vector<EnumRegisterDifference>& differences)
      : bytes_(bytes), differences_(differences) {}

  template <class Value>
  void add(std::string_view name, std::uint16_t offset, const Value& recorded, const Value& model) {
    ++count_;
    if (recorded == model) {
      ++equal_;
      return;
    }
    EnumRegisterDifference difference;
    difference.what = fmt::format("{}: recorded {}, model {}", name, show(recorded), show(model));
    difference.offset = offset;
    differences_.push_back(std::move(difference));
  }

  std::uint32_t get(std::size_t offset, unsigned width) const {
    return load(bytes_, offset, width);
  }
  std::size_t count() const { return count_; }
  std::size_t equal() const { return equal_; }

 private:
  static std::string show(std::uint64_t value) { return fmt::format("{:#x}", value); }
  static std::string show(const EnumState::Window& window) {
    return window ? fmt::format("{:#x}-{:#x}", window->first, window->second) : "closed";
  }

  std::span<const std::byte> bytes_;
  std::vector<EnumRegisterDifference>& differences_;
  std::size_t count_ = 0;
  std::size_t equal_ = 0;
};

EnumState::Window window_of(std::uint64_t base, std::uint64_t limit) {
  if (base > limit) return std::nullopt;
  return std::pair(base, limit);
}

void compare_bridge(Registers& registers, const EnumState& state) {
  for (std::size_t i = 0; i < 3; ++i) {
    constexpr std::array kNames{"primary bus", "secondary bus", "subordinate bus"};
    registers.add<std::uint64_t>(kNames[i], static_cast<std::uint16_t>(0x18 + i), (*state.buses)[i],
                                 registers.get(0x18 + i, 1));
  }
  const auto wide = [&](std::size_t offset, unsigned width) {
    return std::uint64_t{registers.get(offset, width)};
  };
  registers.add("I/O window", 0x1C, state.io,
                window_of((wide(0x1C, 1) & 0xF0) << 8 | wide(0x30, 2) << 16,
                          (wide(0x1D, 1) & 0xF0) << 8 | wide(0x32, 2) << 16 | 0xFFF));
  registers.add(
      "memory window", 0x20, state.memory,
      window_of((wide(0x20, 2) & 0xFFF0) << 16, (wide(0x22, 2) & 0xFFF0) << 16 | 0xFFFFF));
  registers.add("prefetchable window", 0x24, state.prefetchable,
                window_of((wide(0x24, 2) & 0xFFF0) << 16 | wide(0x28, 4) << 32,
                          (wide(0x26, 2) & 0xFFF0) << 16 | wide(0x2C, 4) << 32 | 0xFFFFF));
  if (state.bridge_control) {
    registers.add<std::uint64_t>("Bridge Control", 0x3E, *state.bridge_control,
                                 registers.get(0x3E, 2));
  }
}

void compare_function(Registers& registers, const EnumState& state) {
  registers.add<std::uint64_t>("Command", 0x04, state.command, registers.get(0x04, 2));
  for (const auto& [index, address] : state.bars) {
    const std::size_t at = 0x10 + std::size_t{4} * index;
    const std::uint32_t low = registers.get(at, 4);
    std::uint64_t value = (low & 1) != 0 ? low & ~3U : low & ~0xFU;
    if ((low & 7) == 4) value |= std::uint64_t{registers.get(at + 4, 4)} << 32;
    registers.add<std::uint64_t>(fmt::format("BAR {}", index), static_cast<std::uint16_t>(at),
                                 address, value);
  }
  const bool bridge = (registers.get(0x0E, 1) & 0x7F) == 1;
  if (state.rom) {
    const std::uint16_t at = bridge ? 0x38 : 0x30;
    constexpr std::uint64_t kAddress = 0xFFFFF800;
    registers.add<std::uint64_t>("ROM", at, *state.rom & kAddress, registers.get(at, 4) & kAddress);
  }
  if (bridge && state.buses) compare_bridge(registers, state);
}

EnumVariantResult judge_variant(const EnumRecord& record, const EnumVariant& variant,
                                const EnumModelRun& run) {
  EnumVariantResult result;
  result.name = variant.name;
  MsiPlaces places;
  for (const auto& [address, function] : record.functions) places[address] = msi_of(function);
  for (std::size_t i = 0; i < kEnumPhases.size(); ++i) {
    const std::string name = kEnumPhases[i];
    if (!variant.phases.contains(name)) continue;
    std::vector<EnumWrite> recorded = binding_writes(variant.phases.at(name), name);
    std::vector<EnumWrite> model = run.writes[i];
    const bool shutdown = name == "kexec_shutdown";
    forget_messages(recorded, places, shutdown);
    forget_messages(model, places, shutdown);
    EnumPhaseResult& phase = result.phases.emplace_back();
    phase.name = name;
    compare(recorded, model, phase);
  }
  for (const char* state : kComparedStates) {
    const auto recorded = variant.states.find(state);
    const auto model = run.states.find(state);
    if (recorded == variant.states.end()) continue;
    result.functions = std::max(result.functions, recorded->second.size());
    for (const auto& [address, registers] : recorded->second) {
      const auto found = model == run.states.end() ? decltype(model->second.find(address)){}
                                                   : model->second.find(address);
      std::vector<EnumRegisterDifference> differences;
      if (model == run.states.end() || found == model->second.end()) {
        ++result.registers;
        differences.push_back({{}, {}, "no such function in the model", 0, nullptr});
      } else {
        Registers compared(found->second, differences);
        compare_function(compared, registers);
        result.registers += compared.count();
        result.registers_equal += compared.equal();
      }
      for (EnumRegisterDifference& difference : differences) {
        difference.state = state;
        difference.function = sim::to_string(address);
        result.registers_differing.push_back(std::move(difference));
      }
    }
  }
  return result;
}

}  // namespace

std::expected<std::vector<ReviewedEnum>, std::string> read_reviewed_enum(
    const std::string& file, const boost::json::value& document) {
  std::string error;
  std::vector<ReviewedEnum> result;
  for (const JsonField& item : JsonField(document, error).at("reviewed").items()) {
    ReviewedEnum entry;
    entry.topology = item.at("topology").text();
    entry.variant = item.at("variant").text();
    entry.phase = item.at("phase").text();
    entry.function = item.at("function").text();
    entry.offset = static_cast<std::uint16_t>(item.at("offset").number(0xFFF));
    entry.reason = item.at("reason").text();
    result.push_back(std::move(entry));
  }
  if (!error.empty()) return std::unexpected(fmt::format("{}: {}", file, error));
  return result;
}

std::vector<ReviewedEnum> reviewed_enum() {
  constexpr const char* kFile = "harness/conform/linux_enum_reviewed.json";
  const auto document = parse_json(kFile, kLinuxEnumReviewedJson);
  BATON_CHECK(document.has_value(), document ? "" : document.error());
  auto list = read_reviewed_enum(kFile, *document);
  BATON_CHECK(list.has_value(), list ? "" : list.error());
  return std::move(*list);
}

std::expected<EnumResult, std::string> judge_enum(const EnumRecord& record,
                                                  std::span<const ReviewedEnum> reviewed) {
  EnumResult result;
  result.name = record.name;
  std::vector<bool> met(reviewed.size());
  for (const EnumVariant& variant : record.variants) {
    const auto run = run_enumeration(record, variant);
    if (!run) {
      return std::unexpected(fmt::format("{}, {}: the model's kernel stops: {}", record.name,
                                         variant.name, run.error()));
    }
    EnumVariantResult& judged = result.variants.emplace_back(judge_variant(record, variant, *run));
    const auto review = [&](std::string_view phase, const std::string& function,
                            std::uint16_t offset) -> const ReviewedEnum* {
      for (std::size_t i = 0; i < reviewed.size(); ++i) {
        const ReviewedEnum& entry = reviewed[i];
        if (entry.topology != record.name || entry.variant != variant.name ||
            entry.phase != phase || entry.function != function || entry.offset != offset) {
          continue;
        }
        met[i] = true;
        return &entry;
      }
      return nullptr;
    };
    for (EnumPhaseResult& phase : judged.phases) {
      for (EnumDifference& each : phase.differences) {
        each.reviewed = review(phase.name, sim::to_string(each.write.function), each.write.offset);
      }
    }
    for (EnumRegisterDifference& each : judged.registers_differing) {
      each.reviewed = review(each.state, each.function, each.offset);
    }
  }
  for (std::size_t i = 0; i < reviewed.size(); ++i) {
    const ReviewedEnum& entry = reviewed[i];
    if (entry.topology != record.name || met[i]) continue;
    result.stale.push_back(fmt::format("{}, {}, {} offset {:#x}", entry.variant, entry.phase,
                                       entry.function, entry.offset));
  }
  return result;
}

std::size_t EnumResult::equal() const {
  std::size_t sum = 0;
  for (const EnumVariantResult& variant : variants) {
    for (const EnumPhaseResult& phase : variant.phases) sum += phase.equal;
  }
  return sum;
}

std::size_t EnumResult::total() const {
  std::size_t sum = 0;
  for (const EnumVariantResult& variant : variants) {
    for (const EnumPhaseResult& phase : variant.phases) sum += phase.longer();
  }
  return sum;
}

bool EnumResult::passed() const {
  const auto unexplained = [](const auto& each) { return each.reviewed == nullptr; };
  for (const EnumVariantResult& variant : variants) {
    if (std::ranges::any_of(variant.registers_differing, unexplained)) return false;
    for (const EnumPhaseResult& phase : variant.phases) {
      if (std::ranges::any_of(phase.differences, unexplained)) return false;
    }
  }
  return stale.empty();
}

std::string text(const EnumResult& result, bool verbose) {
  const double share = result.total() == 0 ? 100.0
                                           : 100.0 * static_cast<double>(result.equal()) /
                                                 static_cast<double>(result.total());
  std::string out =
      fmt::format("{}: {}; {} of {} writes equal ({:.1f} %)\n", result.name,
                  result.passed() ? "passed" : "FAILED", result.equal(), result.total(), share);
  for (const EnumVariantResult& variant : result.variants) {
    out += fmt::format("  {:<8} {:>3} functions, {:>4} of {:>4} registers equal\n", variant.name,
                       variant.functions, variant.registers_equal, variant.registers);
    std::size_t shown = 0;
    for (const EnumRegisterDifference& each : variant.registers_differing) {
      if (!verbose && shown++ > 0) break;
      out += fmt::format("    {} {} {}{}{}\n", each.state, each.function, each.what,
                         each.reviewed != nullptr ? "; reviewed: " : "",
                         each.reviewed != nullptr ? each.reviewed->reason : "");
    }
    for (const EnumPhaseResult& phase : variant.phases) {
      out += fmt::format("    {:<18} {:>4} of {:>4} writes\n", phase.name, phase.equal,
                         phase.longer());
      shown = 0;
      for (const EnumDifference& each : phase.differences) {
        if (!verbose && shown++ > 0) break;
        out += fmt::format("      {} [{}] {} {:#05x}/{} = {:#x}{}{}\n",
                           each.recorded ? "recorded only" : "model only   ", each.index,
                           sim::to_string(each.write.function), each.write.offset, each.write.bytes,
                           each.write.value, each.reviewed != nullptr ? "; reviewed: " : "",
                           each.reviewed != nullptr ? each.reviewed->reason : "");
      }
    }
  }
  for (const std::string& entry : result.stale) {
    out += fmt::format("  stale entry of the reviewed list: {}\n", entry);
  }
  return out;
}

}  // namespace baton::harness
