#include "harness/show/config_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <compare>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "harness/record/phase_clock.h"
#include "harness/run/run.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostValues = 8;  // that a line of text shows
constexpr std::string_view kNobody = "(nobody answers)";

// The place of a phase in a run; what is none of them comes last.
std::size_t rank_of(std::string_view phase) {
  constexpr std::array<std::string_view, 8> kOrder{"off",    "boot",  "run",      "preserve",
                                                   "freeze", "kexec", "retrieve", "finish"};
  return static_cast<std::size_t>(std::ranges::find(kOrder, phase) - kOrder.begin());
}

struct Place {
  std::string function;
  unsigned generation = 0;
  std::size_t phase_rank = 0;
  std::string phase;
  std::string by;
  std::uint16_t offset = 0;
  unsigned width = 0;
  bool write = false;
  friend auto operator<=>(const Place&, const Place&) = default;
};

struct Accesses {
  std::uint64_t count = 0;
  std::uint64_t value_equal = 0;  // of writes
  std::vector<std::uint32_t> values;
  std::string register_name;
  bool same_as(const Accesses& other) const {
    return count == other.count && value_equal == other.value_equal && values == other.values;
  }
};

using Account = std::map<Place, Accesses>;

class Accountant final : public RunObserver {
 public:
  explicit Accountant(const Moment& moment) : moment_(moment, [this] { result_ = account_; }) {}

  void attach(Watch& watch, const Scenario& scenario) override {
    watch_ = &watch;
    clock_.attach(watch);
    watch.simulation().topic<host::ConfigAccess>().subscribe([this](const auto& o) { count(o); });
    moment_.attach(watch, scenario);
  }
  void finish() override { moment_.finish(); }

  bool happened() const { return moment_.happened(); }
  std::string what_happened() const { return moment_.what_happened(); }
  Account take() { return std::move(result_); }

 private:
  void count(const host::ConfigAccess& seen) {
    const pci::Function* function = watch_->machine().fabric().find(seen.address);
    Place place{.function = function == nullptr ? std::string(kNobody) : function->name(),
                .generation = seen.generation,
                .phase_rank = rank_of(clock_.phase()),
                .phase = std::string(clock_.phase()),
                .by = seen.by,
                .write = seen.write};
    if (function != nullptr) {
      place.offset = seen.offset;
      place.width = seen.width;
    }
    Accesses& row = account_[place];
    ++row.count;
    if (function == nullptr) return;
    if (row.register_name.empty()) {
      row.register_name = function->config().register_name(seen.offset);
    }
    if (!seen.write) return;
    row.values.push_back(seen.value);
    if (seen.value == seen.old_value) ++row.value_equal;
  }

  Watch* watch_ = nullptr;
  PhaseClock clock_;
  Account account_;
  Account result_;
  MomentWatch moment_;
};

std::expected<Account, ShowError> account_of(const Loaded& loaded, const ShowRequest& request) {
  Accountant accountant(request.moment);
  bool interrupted = false;
  RunOptions options;
  options.seed = request.seed;
  options.observers = {&accountant};
  options.interrupted = [&] {
    interrupted = interrupted || (request.interrupted && request.interrupted());
    return interrupted || accountant.happened();
  };
  static_cast<void>(run_scenario(loaded, options));
  if (interrupted && !accountant.happened()) {
    return std::unexpected(ShowError{ShowProblem::kInterrupted, "interrupted"});
  }
  if (!accountant.happened()) {
    return std::unexpected(ShowError{ShowProblem::kNever,
                                     fmt::format("the moment never comes in {}. What happens:\n{}",
                                                 loaded.file, accountant.what_happened())});
  }
  return accountant.take();
}

// What of the host is not the same, in words.
std::optional<std::string> host_difference(const MachineSpec& one, const MachineSpec& other) {
  std::error_code error;
  if (one.lspci_path != other.lspci_path &&
      !std::filesystem::equivalent(one.lspci_path, other.lspci_path, error)) {
    return fmt::format("{} and {}", one.lspci_path, other.lspci_path);
  }
  const auto texts = [](const MachineSpec& spec) {
    std::vector<std::string> result;
    for (const AddedDevice& device : spec.add) {
      result.push_back(
          fmt::format("{} at {}", device.name, to_string(device.port.value_or(device.address))));
    }
    std::ranges::sort(result);
    return result;
  };
  if (texts(one) == texts(other)) return std::nullopt;
  return fmt::format("{} and {}", fmt::join(texts(one), ", "), fmt::join(texts(other), ", "));
}

struct Difference {
  Place place;
  Accesses one;
  Accesses other;
};

std::vector<Difference> compare(const Account& one, const Account& other) {
  std::set<Place> places;
  for (const auto& [place, accesses] : one) places.insert(place);
  for (const auto& [place, accesses] : other) places.insert(place);
  const auto of = [](const Account& account, const Place& place) {
    const auto found = account.find(place);
    return found == account.end() ? Accesses{} : found->second;
  };
  std::vector<Difference> result;
  for (const Place& place : places) {
    Difference difference{place, of(one, place), of(other, place)};
    if (!difference.one.same_as(difference.other)) result.push_back(std::move(difference));
  }
  return result;
}

std::string side_text(const Place& place, const Accesses& side) {
  if (side.count == 0) return "-";
  std::string text = fmt::format("{}", side.count);
  if (!place.write || side.values.empty()) return text;
  text += ":";
  for (std::size_t i = 0; i < std::min(side.values.size(), kMostValues); ++i) {
    text += fmt::format(" {:0{}x}", side.values[i], 2 * place.width);
  }
  if (side.values.size() > kMostValues) text += " ...";
  if (side.value_equal == side.count) return text + " (value-equal)";
  return side.value_equal == 0 ? text : text + fmt::format(" ({} value-equal)", side.value_equal);
}

std::string difference_text(const std::vector<Difference>& differences) {
  std::string text;
  std::array<std::uint64_t, 2> writes{};
  std::array<std::uint64_t, 2> reads{};
  const Place* before = nullptr;
  for (const Difference& difference : differences) {
    const Place& place = difference.place;
    const bool function = before == nullptr || before->function != place.function;
    const bool phase =
        function || before->generation != place.generation || before->phase != place.phase;
    if (function) text += place.function + "\n";
    if (phase) text += fmt::format("  kernel {}, {}\n", place.generation, place.phase);
    if (phase || before->by != place.by) text += fmt::format("    {}\n", place.by);
    const std::string& name = difference.one.register_name.empty() ? difference.other.register_name
                                                                   : difference.one.register_name;
    const std::string where = place.width == 0 ? std::string("any register")
                              : name.empty()   ? fmt::format("[{:03x}]", place.offset)
                                               : fmt::format("{} [{:03x}]", name, place.offset);
    text +=
        fmt::format("      {:<5} {:<38} one {}  other {}\n", place.write ? "write" : "read", where,
                    side_text(place, difference.one), side_text(place, difference.other));
    (place.write ? writes : reads)[0] += difference.one.count;
    (place.write ? writes : reads)[1] += difference.other.count;
    before = &place;
  }
  if (differences.empty()) return "no configuration access differs\n";
  return text + fmt::format("{} rows differ: writes {} and {}, reads {} and {}\n",
                            differences.size(), writes[0], writes[1], reads[0], reads[1]);
}

json::object side_value(const Accesses& side) {
  json::array values;
  for (const std::uint32_t value : side.values) values.emplace_back(value);
  return {{"count", side.count}, {"value_equal", side.value_equal}, {"values", std::move(values)}};
}

std::string difference_json(const Loaded& one, const Loaded& other,
                            const std::vector<Difference>& differences) {
  json::array rows;
  for (const Difference& difference : differences) {
    const Place& place = difference.place;
    rows.emplace_back(json::object{
        {"function", place.function},
        {"kernel", place.generation},
        {"phase", place.phase},
        {"by", place.by},
        {"access", place.write ? "write" : "read"},
        {"offset", place.offset},
        {"width", place.width},
        {"register", difference.one.register_name.empty() ? difference.other.register_name
                                                          : difference.one.register_name},
        {"one", side_value(difference.one)},
        {"other", side_value(difference.other)}});
  }
  return json::serialize(json::object{
             {"one", one.file}, {"other", other.file}, {"differences", std::move(rows)}}) +
         "\n";
}

}  // namespace

std::expected<void, ShowError> show_config_difference(const Loaded& one, const Loaded& other,
                                                      const ShowRequest& request,
                                                      std::ostream& out) {
  if (const auto hosts = host_difference(one.scenario.machine, other.scenario.machine)) {
    return std::unexpected(
        ShowError{ShowProblem::kNever, fmt::format("the two have different hosts: {}", *hosts)});
  }
  auto first = account_of(one, request);
  if (!first) return std::unexpected(first.error());
  auto second = account_of(other, request);
  if (!second) return std::unexpected(second.error());
  const std::vector<Difference> differences = compare(*first, *second);
  if (request.format == "json") {
    out << difference_json(one, other, differences);
    return {};
  }
  out << fmt::format("one    {}\nother  {}\n", one.file, other.file)
      << difference_text(differences);
  return {};
}

}  // namespace baton::harness
