#include "harness/scenario/bind_changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace baton::harness {
namespace {

constexpr unsigned kHighestDomain = 0x7FFF'FFFF;  // an int in Linux

std::optional<unsigned> hex(std::string_view digits, unsigned limit) {
  unsigned value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return {};
  return value <= limit ? std::optional(value) : std::nullopt;
}

struct KindRow {
  ChangeKind kind;
  std::string_view name;
  std::array<std::string_view, 2> keys;  // that it needs; no others but kernel and do
};
constexpr std::array kKinds{
    KindRow{ChangeKind::kMove, "move", {"device", "to"}},
    KindRow{ChangeKind::kExchange, "exchange", {"device", "with"}},
    KindRow{ChangeKind::kRemove, "remove", {"device", ""}},
    KindRow{ChangeKind::kInsert, "insert", {"device", ""}},
    KindRow{ChangeKind::kLoseBuses, "lose-buses", {"function", ""}},
    KindRow{ChangeKind::kBreakBuses, "break-buses", {"function", ""}},
    KindRow{ChangeKind::kRenumber, "renumber", {"function", "as"}},
    KindRow{ChangeKind::kSwapSegments, "swap-segments", {"segments", ""}},
};
constexpr std::array<std::string_view, 6> kKeys{"device",   "to", "with",
                                                "function", "as", "segments"};

class ChangeBinder {
 public:
  ChangeBinder(const View& item, Scenario& scenario, Diagnostics& diagnostics)
      : item_(item), scenario_(scenario), diagnostics_(diagnostics) {}

  void bind() {
    const std::string name = item_.key("do").text();
    const auto row = std::ranges::find(kKinds, name, &KindRow::name);
    if (row == kKinds.end()) return;  // reported by the schema
    change_.kind = row->kind;
    change_.kernel = static_cast<unsigned>(item_.key("kernel").number());
    change_.at = item_.at();
    if (!has_its_keys(*row)) return;
    if (item_.key("at").given()) {
      bind_time();
    } else {
      bind_kernel();
    }
    if (item_.key("device").given()) change_.device = device("device");
    if (item_.key("with").given()) change_.with = device("with");
    if (item_.key("to").given()) change_.to = address("to");
    if (item_.key("function").given()) change_.from = address("function");
    if (item_.key("as").given()) change_.to = address("as");
    check_pairs();
    if (good_) scenario_.machine.changes.push_back(change_);
  }

 private:
  void conflict(Position at, std::string message, std::string label = {}) {
    diagnostics_.add(Problem::kConflict, at, std::move(message), std::move(label));
    good_ = false;
  }

  bool has_its_keys(const KindRow& row) {
    for (const std::string_view key : kKeys) {
      const bool wanted = std::ranges::count(row.keys, key) != 0;
      if (wanted && !item_.key(key).given()) {
        diagnostics_.add(Problem::kMissingKey, item_.at(), fmt::format("\"{}\" is missing", key),
                         fmt::format("a change of kind {} needs it", row.name));
        good_ = false;
      }
      if (!wanted && item_.key(key).given()) {
        conflict(item_.key(key).at(), fmt::format("{}: not of a change of kind {}", key, row.name));
      }
    }
    return good_;
  }

  // A card that is pulled out of its slot: whole, and nothing else can be.
  void bind_time() {
    change_.when = item_.key("at").duration();
    if (change_.kind != ChangeKind::kRemove) {
      conflict(item_.key("at").at(), "at: a card can only be removed while a kernel runs");
    }
    if (item_.key("kernel").given()) {
      conflict(item_.key("kernel").at(), "kernel: the change has a time of its own",
               "`at` counts as in the script");
    }
  }

  // Kernel n is started by the n-th step that ends a kernel.
  void bind_kernel() {
    unsigned generation = 0;
    for (const ScriptStep& step : scenario_.script) {
      const bool cold = step.action == Action::kColdReboot;
      if (!cold && step.action != Action::kLiveUpdate && step.action != Action::kKexec) continue;
      if (++generation != change_.kernel) continue;
      if (cold) {
        conflict(item_.key("kernel").at(),
                 fmt::format("kernel {} is started by a cold reboot", change_.kernel),
                 "changes are made at a kexec; another firmware is not modelled");
      }
      return;
    }
    conflict(item_.key("kernel").at(),
             fmt::format("the script starts no kernel {}", change_.kernel),
             "it counts from 0, the one that is booted first");
  }

  std::size_t device(std::string_view key) {
    const View view = item_.key(key);
    std::vector<std::string_view> known;
    for (const AddedDevice& added : scenario_.machine.add) {
      if (!added.physical) known.push_back(added.name);  // one behind these is no card
    }
    const std::string wanted = view.text();
    const auto found = std::ranges::find(known, wanted);
    if (found == known.end()) {
      diagnostics_.add(Problem::kUnknownName, view.at(), fmt::format("no device \"{}\"", wanted),
                       did_you_mean(wanted, known),
                       fmt::format("devices of the machine: {}", fmt::join(known, ", ")));
      good_ = false;
      return 0;
    }
    const auto index = static_cast<std::size_t>(found - known.begin());
    const bool card = scenario_.machine.add[index].kind == DeviceKind::kNvme;
    if (!card && (change_.kind != ChangeKind::kRemove || change_.when)) {
      conflict(view.at(), fmt::format("\"{}\" is part of the root complex, no card", wanted));
    } else if (change_.when && scenario_.machine.add[index].vfs != 0) {
      conflict(view.at(), "pulling a card with virtual functions: not built yet");
    }
    return index;
  }

  Sbdf address(std::string_view key) {
    const View view = item_.key(key);
    const auto parsed = parse_pci_address(view.text());
    if (!parsed) {
      diagnostics_.add(Problem::kBadValue, view.at(),
                       fmt::format("{}: cannot read \"{}\"", key, view.text()),
                       "an address as lspci writes it", "for example 00:1c.0 or 0000:00:1c.0");
      good_ = false;
    }
    return parsed.value_or(Sbdf{});
  }

  // A guest starts with its devices, and a card is inserted once.
  void check_insertion() {
    const auto owns = [this](const VmSpec& vm) {
      return std::ranges::count(vm.devices, change_.device) != 0;
    };
    const auto touched = [this](const MachineChange& other) {
      return other.device == change_.device &&
             (other.kind == ChangeKind::kInsert || other.kind == ChangeKind::kMove ||
              other.kind == ChangeKind::kExchange || other.kind == ChangeKind::kRemove);
    };
    if (std::ranges::any_of(scenario_.vms, owns)) {
      conflict(item_.key("device").at(), "the card of a VM is there from the beginning");
    } else if (std::ranges::any_of(scenario_.machine.changes, touched)) {
      conflict(item_.at(), "a card that is touched before it is inserted");
    } else if (scenario_.machine.add[change_.device].vfs != 0) {
      conflict(item_.at(), "inserting a card with virtual functions: not built yet");
    }
  }

  void check_pairs() {
    if (!good_) return;
    if (change_.kind == ChangeKind::kInsert) check_insertion();
    if (change_.kind == ChangeKind::kExchange && change_.device == change_.with) {
      conflict(item_.key("with").at(), "a card cannot change places with itself");
    }
    if (change_.kind == ChangeKind::kRenumber &&
        (change_.from.segment != change_.to.segment ||
         change_.from.bdf.bus() != change_.to.bdf.bus() || change_.from == change_.to)) {
      conflict(item_.key("as").at(), "as: not another device or function number of the same bus",
               "the bus number is that of the bridge above");
    }
    if (change_.kind != ChangeKind::kSwapSegments) return;
    std::vector<std::uint32_t> segments;
    for (const View& item : item_.key("segments").items()) {
      segments.push_back(static_cast<std::uint32_t>(item.number()));
    }
    if (segments.size() != 2 || segments[0] == segments[1]) {
      conflict(item_.key("segments").at(), "segments: not two numbers that differ");
      return;
    }
    change_.segments = {segments[0], segments[1]};
  }

  const View& item_;
  Scenario& scenario_;
  Diagnostics& diagnostics_;
  MachineChange change_;
  bool good_ = true;
};

}  // namespace

std::optional<Sbdf> parse_pci_address(std::string_view text) {
  std::optional<unsigned> segment = 0;
  if (std::ranges::count(text, ':') == 2) {
    segment = hex(text.substr(0, text.find(':')), kHighestDomain);
    text.remove_prefix(text.find(':') + 1);
  }
  const std::size_t colon = text.find(':');
  const std::size_t dot = text.find('.');
  if (colon == std::string_view::npos || dot == std::string_view::npos || dot < colon) return {};
  const auto bus = hex(text.substr(0, colon), 0xFF);
  const auto device = hex(text.substr(colon + 1, dot - colon - 1), 0x1F);
  const auto function = hex(text.substr(dot + 1), 7);
  if (!segment || !bus || !device || !function) return {};
  return Sbdf{*segment, Bdf(*bus, *device, *function)};
}

void bind_changes(const View& machine, Scenario& scenario, Diagnostics& diagnostics) {
  for (const View& item : machine.key("changes").items()) {
    ChangeBinder(item, scenario, diagnostics).bind();
  }
}

}  // namespace baton::harness
