// Views of runs: taken at the instant that was asked for, the same every time, and read by other
// programs without complaint.

#include "harness/show/show.h"

#include <libfdt.h>

#include <algorithm>
#include <boost/json.hpp>
#include <sstream>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"
#include "tests/support/tool.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kFolder = testing::source_dir() + "/scenarios";

std::string scenario_text(const std::string& host, const std::string& script) {
  return "baton: 1\n"
         "title: t\n"
         "machine:\n"
         "  memory: 8GiB\n"
         "  topology: {lspci: " +
         host +
         ", add: [{kind: dsa, name: dsa0, bus: 0x6a}]}\n"
         "kernels: [{preset: vision}]\n"
         "vms:\n"
         "  - {name: vm0, memory: 64MiB, devices: [dsa0], workload: {size: 16KiB, depth: 16, "
         "rate: 20MB/s}}\n"
         "script: [" +
         script + "]\nexpect: []\n";
}

const Loaded& live_update() {
  static const Loaded loaded = check_scenario_text(
      "s.yaml", scenario_text("hosts/switch.lspci", "{at: 50ms, do: live-update}"), kFolder);
  REQUIRE(loaded.good());
  return loaded;
}

struct Shown {
  std::string text;
  std::optional<ShowError> error;
};

Shown view(std::string_view what, std::string_view when, std::string_view format = {},
           const Loaded& loaded = live_update()) {
  ShowRequest request;
  request.row = show_row(what);
  REQUIRE(request.row != nullptr);
  request.format = format.empty() ? request.row->formats.front() : format;
  const auto moment = parse_moment(when);
  REQUIRE(moment.has_value());
  request.moment = *moment;
  std::ostringstream out;
  const auto shown = show(loaded, request, out);
  Shown result{out.str(), std::nullopt};
  if (!shown) result.error = shown.error();
  return result;
}

boost::json::value json_of(const Shown& shown) {
  REQUIRE_FALSE(shown.error.has_value());
  boost::json::error_code error;
  const auto value = boost::json::parse(shown.text, error);
  REQUIRE_FALSE(error);
  return value;
}

}  // namespace

TEST_CASE("every view is there in every format at every instant, and the same twice") {
  for (const ShowRow& row : show_rows()) {
    for (const std::string_view format : row.formats) {
      INFO(row.what << " as " << format);
      const Shown first = view(row.what, "kexec", format);
      INFO((first.error ? first.error->text : ""));
      REQUIRE_FALSE(first.error.has_value());
      CHECK_FALSE(first.text.empty());
      CHECK(first.text == view(row.what, "kexec", format).text);
    }
    for (const char* when : {"boot", "run", "preserve", "freeze", "boot2", "retrieve", "finish",
                             "end", "1ms", "1.2s"}) {
      INFO(row.what << " at " << when);
      const Shown shown = view(row.what, when);
      if (shown.error) {
        CHECK(shown.error->problem == ShowProblem::kNothing);
        CHECK(shown.text.empty());
      }
    }
  }
}

TEST_CASE("looking does not change the run") {
  const std::string plain = run_scenario(live_update(), {}).fingerprint;
  Ledger ledger;
  ConfigWrites writes;
  TopologyWatch topology;
  Timeline timeline;
  std::ostringstream out;
  MomentWatch moment({sim::Time::from_ps(1'200'000'000'000), "", {}}, [&] {
    static_cast<void>(ledger.rows());
    static_cast<void>(topology.take());
  });
  RunOptions options;
  options.observers = {&ledger, &writes, &topology, &timeline, &moment};
  CHECK(run_scenario(live_update(), options).fingerprint == plain);
  CHECK(moment.happened());
}

TEST_CASE("a moment is a time or a name, with the number of a kernel") {
  CHECK(parse_moment("1.2s")->time == sim::Time::from_ps(1'200'000'000'000));
  CHECK(parse_moment("kexec")->name == "kexec");
  CHECK_FALSE(parse_moment("kexec")->generation.has_value());
  CHECK(parse_moment("run#1")->generation == 1U);
  CHECK(parse_moment("boot2")->name == "boot");
  CHECK(parse_moment("boot2")->generation == 1U);
  CHECK(parse_moment("boot2#2")->generation == 2U);
}

TEST_CASE("a moment that is none says what is accepted") {
  CHECK(parse_moment("1.2").error().find("unit") != std::string::npos);
  CHECK(parse_moment("kexce").error().find("\"kexec\"") != std::string::npos);
  CHECK(parse_moment("").error().find("boot, run") != std::string::npos);
  CHECK(parse_moment("run#").error().find("number of a kernel") != std::string::npos);
  CHECK(parse_moment("run#x").error().find("number of a kernel") != std::string::npos);
  CHECK(parse_moment("end#1").error().find("end has none") != std::string::npos);
  CHECK_FALSE(parse_moment("99999999999s").has_value());
}

TEST_CASE("a moment that never happens lists those that did") {
  for (const char* when : {"kexec#1", "run#7", "1000s"}) {
    const Shown shown = view("timeline", when);
    REQUIRE(shown.error.has_value());
    CHECK(shown.error->problem == ShowProblem::kNever);
    CHECK(shown.error->text.find("  kexec#0 ") != std::string::npos);
    CHECK(shown.error->text.find("  end ") != std::string::npos);
    CHECK(shown.text.empty());
  }
}

TEST_CASE("kexec is after the shutdown of the old kernel and before anything of the new one") {
  const auto boots = json_of(view("handoff", "kexec")).as_object();
  CHECK(boots.at("kernel").to_number<int>() == 1);
  CHECK_FALSE(boots.at("cold").as_bool());
  CHECK(boots.at("kho").as_object().at("compatible").as_string() == "kho-v4");
  const boost::json::value until_jump = json_of(view("config-writes", "kexec", "json"));
  for (const auto& write : until_jump.as_array()) {
    CHECK(write.as_object().at("kernel").to_number<int>() == 0);
  }
  const auto later = json_of(view("config-writes", "run#1", "json"));
  CHECK(std::ranges::any_of(later.as_array(), [](const boost::json::value& write) {
    return write.as_object().at("kernel").to_number<int>() == 1;
  }));
}

TEST_CASE("luo decodes what was serialized, before the next kernel reads it") {
  const auto top = json_of(view("luo", "kexec", "json")).as_object();
  CHECK(top.at("compatible").as_string() == "luo-v5");
  CHECK(top.at("problems").as_array().empty());
  const auto& sessions = top.at("sessions").as_array();
  REQUIRE(sessions.size() == 1);
  CHECK(sessions[0].as_object().at("name").as_string() == "vm0");
  std::vector<std::string> files;
  for (const auto& file : sessions[0].as_object().at("files").as_array()) {
    files.emplace_back(file.as_object().at("compatible").as_string());
  }
  CHECK(files == std::vector<std::string>{"memfd-v2", "iommufd-v1", "vfio-pci-v1"});
  const std::string text = view("luo", "boot2").text;
  CHECK(text.find("function: 0000:6a:01.0") != std::string::npos);
  CHECK(text.find("number of folios: 16385") != std::string::npos);
  CHECK(text.find("attachment id") != std::string::npos);
  CHECK(view("luo", "preserve").text.find("no session") != std::string::npos);
  // The records are gone when files are retrieved; what both kernels say of them stays.
  const std::string later = view("luo", "retrieve").text;
  CHECK(later.find("given the memory back") != std::string::npos);
  CHECK(later.find("states in kernel 0\n  session vm0: serialized\n") != std::string::npos);
  CHECK(later.find("states in kernel 1\n  session vm0: ") != std::string::npos);
  const auto states = json_of(view("luo", "end", "json")).as_object().at("states").as_array();
  REQUIRE(states.size() == 2);
  CHECK(view("luo", "boot").error->problem == ShowProblem::kNothing);
}

TEST_CASE("kho-fdt is a flattened device tree for libfdt and dtc") {
  const std::string fdt = view("kho-fdt", "kexec").text;
  REQUIRE(::fdt_check_full(fdt.data(), fdt.size()) == 0);
  CHECK(::fdt_node_check_compatible(fdt.data(), 0, "kho-v4") == 0);
  CHECK(::fdt_subnode_offset(fdt.data(), 0, "LUO") > 0);
  const testing::TemporaryFile file(fdt);
  const auto source = testing::run_tool("dtc", {"-I", "dtb", "-O", "dts", file.path()});
  if (!source) return;
  CHECK(source->status == 0);
  CHECK(source->out.find("preserved-memory-map") != std::string::npos);
  CHECK(source->errors.empty());
}

TEST_CASE("memory is an ELF core file with the pages that were written") {
  const std::string core = view("memory", "kexec").text;
  const testing::TemporaryFile file(core);
  const auto read = testing::run_tool("readelf", {"-lW", file.path()});
  if (!read) return;
  CHECK(read->status == 0);
  CHECK(read->errors.empty());
  CHECK(read->out.find("CORE (Core file)") != std::string::npos);
  CHECK(read->out.find("LOAD") != std::string::npos);
  // The root FDT lies in it, at the place that the handoff names.
  const auto handoff = json_of(view("handoff", "kexec")).as_object();
  const auto fdt = handoff.at("kho").as_object().at("fdt").to_number<std::uint64_t>();
  const std::string tree = view("kho-fdt", "kexec").text;
  std::uint64_t found = 0;
  for (std::size_t at = 64; at + 56 <= 64 + 56 * std::size_t{static_cast<std::uint8_t>(core[56])};
       at += 56) {
    std::array<std::uint64_t, 6> header{};
    std::memcpy(header.data(), core.data() + at + 8, sizeof(header));
    if (fdt < header[2] || fdt >= header[2] + header[3]) continue;
    found += core.compare(header[0] + fdt - header[2], tree.size(), tree) == 0 ? 1U : 0U;
  }
  CHECK(found == 1);
}

TEST_CASE("the real lspci decodes a run's dump without a complaint, before and after a kexec") {
  for (const char* when : {"run", "kexec", "end"}) {
    INFO(when);
    const testing::TemporaryFile file(view("lspci", when).text);
    const auto decoded = testing::run_tool("lspci", {"-vvv", "-F", file.path()});
    if (!decoded) return;
    CHECK(decoded->status == 0);
    CHECK(
        (decoded->errors.empty() || (decoded->errors.starts_with("lspci: Unable to load libkmod") &&
                                     std::ranges::count(decoded->errors, '\n') == 1)));
    CHECK(decoded->out.find("6a:01.0 ") != std::string::npos);
    CHECK(decoded->out.find("<chain looped>") == std::string::npos);
    CHECK(decoded->out.find("<chain broken>") == std::string::npos);
    CHECK(decoded->out.find("<access denied>") == std::string::npos);
  }
}

TEST_CASE("topology names drivers and VMs, and as DOT it is a graph") {
  const std::string text = view("topology", "run#1").text;
  CHECK(text.find("0000:[6a-6a]\n  0000:6a:01.0 0880: 8086:0b25 dsa0") != std::string::npos);
  CHECK(text.find(", of vm0") != std::string::npos);
  CHECK(view("topology", "preserve").text.find("driver vfio-pci, of vm0") != std::string::npos);
  CHECK(view("topology", "kexec").text.find("driver ") == std::string::npos);
  const std::string dot = view("topology", "run", "dot").text;
  CHECK(dot.starts_with("digraph topology {\n"));
  CHECK(std::ranges::count(dot, '{') == std::ranges::count(dot, '}'));
  const testing::TemporaryFile file(dot);
  const auto drawn = testing::run_tool("dot", {"-Tcanon", file.path()});
  if (drawn) CHECK(drawn->status == 0);
}

TEST_CASE("a run without defects leaks nothing and gives nothing away") {
  std::size_t restored = 0;
  const boost::json::value rows = json_of(view("ledger", "end", "json"));
  for (const auto& value : rows.as_array()) {
    const auto& row = value.as_object();
    INFO(boost::json::serialize(row));
    CHECK(row.at("fate").as_string() != "LEAKED");
    CHECK(row.at("fate").as_string() != "REUSED");
    CHECK(row.at("fate").as_string() != "waiting");
    if (row.at("what").as_string() == "memfd folio") {
      CHECK(row.at("fate").as_string() == "restored");
      if (!row.at("reached_by").as_array().empty()) ++restored;
    }
  }
  CHECK(restored > 0);
}

TEST_CASE("the ledger shows what a forgotten page becomes") {
  std::string text = scenario_text("hosts/flat.lspci", "{at: 50ms, do: live-update}");
  text.replace(text.find("{preset: vision}"), 16,
               "{preset: vision, defects: [memfd-skip-folio]}, {preset: vision}");
  const Loaded loaded = check_scenario_text("s.yaml", text, kFolder);
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  const auto rows = json_of(view("ledger", "retrieve", "json", loaded)).as_array();
  CHECK(std::ranges::any_of(rows, [](const boost::json::value& row) {
    return row.as_object().at("what").as_string() == "memfd folio" &&
           row.as_object().at("fate").as_string() == "ended";
  }));
}

TEST_CASE("vectors follow a message from the table entry to its handler") {
  const auto entries = json_of(view("vectors", "preserve", "json")).as_array();
  REQUIRE_FALSE(entries.empty());
  const auto found = std::ranges::find_if(entries, [](const boost::json::value& entry) {
    return entry.as_object().at("function").as_string() == "dsa0";
  });
  REQUIRE(found != entries.end());  // beside those of the ports
  const auto& first = found->as_object();
  CHECK(first.at("enabled").as_bool());
  CHECK(first.at("driver").as_string() == "vfio-pci");
  CHECK(std::string(first.at("route").as_string()).find("vector 0x") != std::string::npos);
  const Loaded quickstart = check_scenario(kFolder + "/quickstart.yaml");
  const boost::json::value later = json_of(view("vectors", "kexec", "json", quickstart));
  CHECK(std::ranges::any_of(later.as_array(), [](const boost::json::value& entry) {
    return entry.as_object().at("taken").to_number<int>() > 0 &&
           !entry.as_object().at("enabled").as_bool();
  }));
  CHECK(view("vectors", "boot").text == "no MSI-X table entry is set up\n");
}

TEST_CASE(
    "config-writes names the driver whose probe a write is part of, and a native one is first") {
  const Loaded taken = check_scenario(kFolder + "/driver-binding/built-in-clobbers.yaml");
  REQUIRE(taken.good());
  const std::string text = view("config-writes", "end", {}, taken).text;
  CHECK(text.find("  kernel 1, boot\n") != std::string::npos);
  CHECK(text.find("    msix_capability_init, idxd probes\n") != std::string::npos);
  const boost::json::value rows = json_of(view("config-writes", "end", "json", taken));
  std::string first;
  std::size_t of_idxd = 0;
  for (const auto& value : rows.as_array()) {
    const auto& row = value.as_object();
    if (row.at("function").as_string() != "dsa0" || row.at("kernel").to_number<int>() != 1)
      continue;
    const std::string driver(row.at("driver").as_string());
    if (first.empty()) first = driver;
    of_idxd += driver == "idxd" ? 1U : 0U;
  }
  CHECK(first == "idxd");
  CHECK(of_idxd > 0);
  // Left to user space, nobody writes to it in a probe: that of vfio-pci writes nothing.
  const Loaded kept = check_scenario(kFolder + "/driver-binding/built-in-clobbers.yaml",
                                     {"policies.driver_binding=userspace-preserved"});
  CHECK(view("config-writes", "end", {}, kept).text.find("kernel 1, boot\n    msix_cap") ==
        std::string::npos);
}

TEST_CASE("config-writes groups by function, phase and kernel function, equal values apart") {
  const std::string text = view("config-writes", "kexec").text;
  CHECK(text.find("0000:00:03.0\n  kernel 0, boot\n    pci_intx_mask_broken\n") !=
        std::string::npos);
  CHECK(text.find("Command [004]") != std::string::npos);
  CHECK(text.find("value-equal\n") != std::string::npos);
  CHECK(text.find(" writes, ") != std::string::npos);
  const boost::json::value rows = json_of(view("config-writes", "end", "json"));
  std::uint64_t during = 0;
  for (const auto& value : rows.as_array()) {
    const auto& row = value.as_object();
    const bool equal = row.at("written") == row.at("old") && row.at("new") == row.at("old");
    CHECK(row.at("value_equal").as_bool() == equal);
    // The next kernel writes nothing to what is handed over until its owner asks for interrupts.
    const auto phase = row.at("phase").as_string();
    const bool handover =
        row.at("kernel").to_number<int>() == 1 && phase != "retrieve" && phase != "finish";
    during += handover && row.at("function").as_string() == "dsa0" ? 1U : 0U;
  }
  CHECK(during == 0);
}
