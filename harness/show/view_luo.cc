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

std::string luo_json(const LuoView& view, unsigned generation) {
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
  const json::object top{{"compatible", view.compatible},
                         {"kernel", generation},
                         {"liveupdate_number", view.liveupdate_number},
                         {"sessions", std::move(sessions)},
                         {"flbs", std::move(flbs)},
                         {"problems", std::move(problems)}};
  return json::serialize(top) + "\n";
}

}  // namespace

ShowResult show_luo(const ShowContext& context, std::ostream& out) {
  const auto found = find_root(context);
  if (!found) return std::unexpected(found.error());
  const KhoRoot root = read_root(found->fdt);
  const auto blob = std::ranges::find(root.blobs, kLuoBlob, &NamedBlob::name);
  if (blob == root.blobs.end()) {
    return std::unexpected(
        fmt::format("the KHO root FDT of kernel {} names no blob \"LUO\": it "
                    "runs without liveupdate=on",
                    found->place.from_generation));
  }
  const unsigned running = context.watch.machine().generation();
  const char* owner = context.watch.history().owner(blob->address);
  if (found->place.from_generation != running && (owner == nullptr || owner != kHeaderOwner)) {
    return std::unexpected(
        fmt::format("kernel {} has read what kernel {} left and given the memory back; it is there "
                    "from kexec until then, and the view timeline shows the sessions since",
                    running, found->place.from_generation));
  }
  const LuoView view = read_luo(context.watch.machine().memory(), *blob);
  const unsigned generation = found->place.from_generation;
  out << (context.format == "json" ? luo_json(view, generation) : luo_text(view, generation));
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
