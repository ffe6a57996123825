// luo and kho-fdt: what one kernel hands to the next, from its bytes.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "harness/show/handover_reader.h"
#include "harness/show/views.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

constexpr std::string_view kLuoBlob = "LUO";
// What the kernels call the page of LUO's header.
constexpr std::string_view kHeaderOwner = "luo header";

struct FoundRoot {
  BootRecords::RootFdt place;
  std::vector<std::byte> fdt;
};

std::expected<FoundRoot, std::string> find_root(const ShowContext& context) {
  const auto place = context.boots.root_fdt();
  if (!place) {
    return std::unexpected(
        "no kernel has a KHO root FDT at this instant: it makes one while it "
        "boots, and none with kho=off");
  }
  auto fdt = read_fdt(context.watch.machine().memory(), place->address, place->size);
  if (!fdt) {
    return std::unexpected(
        fmt::format("the page at {:#x}, where kernel {} has its KHO root FDT, "
                    "holds no FDT",
                    place->address.value(), place->from_generation));
  }
  return FoundRoot{*place, *std::move(fdt)};
}

void details_text(std::string& text, const Details& details) {
  for (const auto& [key, value] : details) text += fmt::format("      {}: {}\n", key, value);
}

std::string luo_text(const LuoView& view, unsigned generation) {
  std::string text = fmt::format("{} of kernel {}, for live update number {}\n", view.compatible,
                                 generation, view.liveupdate_number);
  if (view.sessions.empty()) {
    text += "no session: LUO writes them in the reboot hook, after freeze\n";
  }
  for (const LuoSessionView& session : view.sessions) {
    text += fmt::format("session {}: {} files\n", session.name, session.count);
    for (const LuoFileView& file : session.files) {
      text += fmt::format("    token {}  {}  data {:#x}\n", file.token, file.compatible, file.data);
      details_text(text, file.details);
    }
  }
  for (const LuoFlbView& flb : view.flbs) {
    text += fmt::format("FLB {}: {} files depend on it, data {:#x}\n", flb.compatible, flb.count,
                        flb.data);
    details_text(text, flb.details);
  }
  for (const std::string& problem : view.problems) text += fmt::format("PROBLEM: {}\n", problem);
  return text;
}

json::array details_value(const Details& details) {
  json::array values;
  for (const auto& [key, value] : details) values.emplace_back(json::array{key, value});
  return values;
}

json::object luo_value(const LuoView& view, unsigned generation) {
  json::array sessions;
  for (const LuoSessionView& session : view.sessions) {
    json::array files;
    for (const LuoFileView& file : session.files) {
      files.emplace_back(json::object{{"token", file.token},
                                      {"compatible", file.compatible},
                                      {"data", file.data},
                                      {"record", details_value(file.details)}});
    }
    sessions.emplace_back(json::object{
        {"name", session.name}, {"count", session.count}, {"files", std::move(files)}});
  }
  json::array flbs;
  for (const LuoFlbView& flb : view.flbs) {
    flbs.emplace_back(json::object{{"compatible", flb.compatible},
                                   {"count", flb.count},
                                   {"data", flb.data},
                                   {"record", details_value(flb.details)}});
  }
  json::array problems;
  for (const std::string& problem : view.problems) problems.emplace_back(problem);
  return json::object{{"compatible", view.compatible},
                      {"kernel", generation},
                      {"liveupdate_number", view.liveupdate_number},
                      {"sessions", std::move(sessions)},
                      {"flbs", std::move(flbs)},
                      {"problems", std::move(problems)}};
}

// What each kernel says of its own sessions.
std::string states_text(const std::map<unsigned, LuoStates::Sessions>& kernels) {
  std::string text;
  for (const auto& [generation, sessions] : kernels) {
    text += fmt::format("states in kernel {}\n", generation);
    for (const LuoStates::Session& session : sessions) {
      text += fmt::format("  session {}: {}\n", session.name, session.state);
      for (const LuoStates::File& file : session.files) {
        text += fmt::format("    token {}  {}: {}\n", file.token, file.compatible, file.state);
      }
    }
  }
  return text;
}

json::array states_value(const std::map<unsigned, LuoStates::Sessions>& kernels) {
  json::array values;
  for (const auto& [generation, sessions] : kernels) {
    json::array named;
    for (const LuoStates::Session& session : sessions) {
      json::array files;
      for (const LuoStates::File& file : session.files) {
        files.emplace_back(json::object{
            {"token", file.token}, {"compatible", file.compatible}, {"state", file.state}});
      }
      named.emplace_back(json::object{
          {"name", session.name}, {"state", session.state}, {"files", std::move(files)}});
    }
    values.emplace_back(json::object{{"kernel", generation}, {"sessions", std::move(named)}});
  }
  return values;
}

// The records in memory; an error when there are none, or none any more.
std::expected<LuoView, std::string> read_records(const ShowContext& context,
                                                 const FoundRoot& found) {
  const KhoRoot root = read_root(found.fdt);
  const auto blob = std::ranges::find(root.blobs, kLuoBlob, &NamedBlob::name);
  if (blob == root.blobs.end()) {
    return std::unexpected(
        fmt::format("the KHO root FDT of kernel {} names no blob \"LUO\": it "
                    "runs without liveupdate=on",
                    found.place.from_generation));
  }
  const unsigned running = context.watch.machine().generation();
  const char* owner = context.watch.history().owner(blob->address);
  if (found.place.from_generation != running && (owner == nullptr || owner != kHeaderOwner)) {
    return std::unexpected(fmt::format(
        "kernel {} has read what kernel {} left and given the memory back; it is there from kexec "
        "until then",
        running, found.place.from_generation));
  }
  return read_luo(context.watch.machine().memory(), *blob);
}

}  // namespace

ShowResult show_luo(const ShowContext& context, std::ostream& out) {
  const auto found = find_root(context);
  std::string reason = found ? std::string() : found.error();
  std::optional<LuoView> view;
  if (found) {
    auto records = read_records(context, *found);
    if (records) {
      view = *std::move(records);
    } else {
      reason = records.error();
    }
  }
  const auto& kernels = context.luo_states.kernels();
  if (!view && kernels.empty()) return std::unexpected(reason);
  const unsigned generation = found ? found->place.from_generation : 0;
  if (context.format == "json") {
    json::object top = view ? luo_value(*view, generation) : json::object{{"problem", reason}};
    top["states"] = states_value(kernels);
    out << json::serialize(top) << "\n";
    return {};
  }
  out << (view ? luo_text(*view, generation) : "no records: " + reason + "\n");
  out << states_text(kernels);
  return {};
}

ShowResult show_kho_fdt(const ShowContext& context, std::ostream& out) {
  const auto found = find_root(context);
  if (!found) return std::unexpected(found.error());
  out.write(reinterpret_cast<const char*>(found->fdt.data()),
            static_cast<std::streamsize>(found->fdt.size()));
  return {};
}

}  // namespace baton::harness
