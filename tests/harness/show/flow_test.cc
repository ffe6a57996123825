// The sequence chart of a live update: the rows stand in the order of the posted texts, and every
// arrow goes where the call goes.
#include "harness/show/flow.h"

#include <algorithm>
#include <boost/json.hpp>
#include <sstream>

#include "harness/run/host_builder.h"
#include "harness/show/show.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

std::string chart(const std::string& name, std::string_view format) {
  const std::string folder =
      name.find('/') == std::string::npos ? "/scenarios/flows/" : "/scenarios/";
  const Loaded loaded = check_scenario(testing::source_dir() + folder + name + ".yaml");
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  ShowRequest request;
  request.row = show_row("flow");
  request.format = format;
  std::ostringstream out;
  REQUIRE(show(loaded, request, out).has_value());
  return out.str();
}

// "LUO>VFIO preserve vfio-pci-v1 token 0x3", a line each; a note has one actor.
std::vector<std::string> steps(const std::string& name) {
  const boost::json::value parsed = boost::json::parse(chart(name, "json"));
  const boost::json::object& flow = parsed.as_object();
  CHECK(flow.at("left_out").to_number<std::uint64_t>() == 0);
  std::vector<std::string> result;
  for (const boost::json::value& step : flow.at("steps").as_array()) {
    const auto text = [&step](const char* key) {
      return std::string(step.as_object().at(key).as_string());
    };
    const std::string who =
        text("from") == text("to") ? text("from") : text("from") + ">" + text("to");
    result.push_back((text("kind") == "break" ? "" : who + " ") + text("text"));
  }
  return result;
}

// Each of the wanted beginnings, in this order.
void check_order(const std::vector<std::string>& seen, const std::vector<std::string>& wanted) {
  auto from = seen.begin();
  for (const std::string& want : wanted) {
    INFO(want);
    const auto found = std::find_if(from, seen.end(),
                                    [&](const std::string& one) { return one.starts_with(want); });
    CHECK((found != seen.end()));
    if (found != seen.end()) from = found + 1;
  }
}

}  // namespace

TEST_CASE("the steps of VFIO live update support stand in their order") {
  const std::vector<std::string> seen = steps("vfio-device");
  check_order(seen,
              {"userspace>LUO vm0: LIVEUPDATE_SESSION_PRESERVE_FD", "LUO>VFIO preserve vfio-pci-v1",
               "PCI record of 0000:6a:01.0 preserved", "VFIO>LUO preserve done",
               "userspace vm0: vCPU paused", "userspace>LUO luod: reboot LINUX_REBOOT_CMD_KEXEC",
               "LUO>VFIO freeze vfio-pci-v1", "VFIO>hardware dsa0: Message Control",
               "LUO all sessions serialized", "hardware dsa0: ", "kexec: kernel 0 is gone",
               "LUO header of the previous kernel read", "PCI record of 0000:6a:01.0 restored",
               "PCI vfio-pci binds 0000:6a:01.0", "LUO>VFIO retrieve vfio-pci-v1",
               "userspace>VFIO vm0: VFIO_DEVICE_BIND_IOMMUFD",
               "userspace>VFIO vm0: VFIO_DEVICE_ATTACH_IOMMUFD_PT", "userspace vm0: vCPU goes on",
               "LUO>VFIO finish vfio-pci-v1"});
  // The first open of the first owner resets the device; nothing does that from the freeze on.
  const auto freeze = std::ranges::find_if(
      seen, [](const std::string& step) { return step.starts_with("LUO>VFIO freeze"); });
  for (const std::string& step : std::ranges::subrange(freeze, seen.end())) {
    INFO(step);
    CHECK(step.find("is reset") == std::string::npos);
    CHECK(step.find("REFUSED") == std::string::npos);
    CHECK(step.find("FAULT") == std::string::npos);
  }
}

TEST_CASE("both diagrams of the IOMMU series stand in the chart") {
  check_order(
      steps("iommu-state"),
      {"userspace>iommufd vmm: IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE",
       "userspace>LUO vmm: LIVEUPDATE_SESSION_PRESERVE_FD", "LUO>iommufd preserve iommufd-v1",
       "LUO>IOMMU preserve FLB iommu-liveupdate", "IOMMU page table preserved",
       "IOMMU iommu domain preserved", "iommufd>LUO preserve done",
       "userspace>LUO vmm: LIVEUPDATE_SESSION_PRESERVE_FD", "LUO>VFIO preserve vfio-pci-v1",
       "PCI record of 0000:6a:01.0 preserved", "IOMMU root table preserved",
       "IOMMU context table preserved", "IOMMU PASID table preserved", "IOMMU domain id preserved",
       "VFIO>LUO preserve done", "kexec: kernel 0 is gone",
       "LUO header of the previous kernel read", "IOMMU iommu domain restored",
       "userspace>LUO heir: LIVEUPDATE_SESSION_RETRIEVE_FD"});
}

TEST_CASE("the chart of a session that is closed too early is the preservation backwards") {
  check_order(
      steps("vfio/holder-killed-by-init"),
      {"LUO preserve memfd-v2", "LUO>iommufd preserve iommufd-v1", "LUO>VFIO preserve vfio-pci-v1",
       "LUO>VFIO unpreserve vfio-pci-v1", "IOMMU context table no longer preserved",
       "IOMMU root table no longer preserved", "IOMMU domain id no longer preserved",
       "PCI record of 0000:6a:01.0 no longer preserved", "LUO>iommufd unpreserve iommufd-v1",
       "IOMMU page table no longer preserved", "IOMMU iommu domain no longer preserved",
       "LUO unpreserve memfd-v2", "LUO>IOMMU unpreserve FLB iommu-liveupdate",
       "LUO session vm: closed", "hardware dsa0 is reset", "userspace>LUO init: reboot"});
}

TEST_CASE("the documented refusals are answers in the chart") {
  check_order(steps("vfio-documentation"),
              {"userspace>VFIO heir: open /dev/vfio/devices/vfio0", "VFIO>userspace heir: EBUSY",
               "userspace>LUO heir: LIVEUPDATE_SESSION_FINISH", "LUO>userspace heir: EBUSY",
               "userspace>VFIO heir: open /dev/vfio/devices/vfio0", "VFIO>userspace heir: EBUSY",
               "userspace>LUO heir: LIVEUPDATE_SESSION_FINISH", "LUO>userspace heir: EBUSY",
               "userspace>VFIO heir: VFIO_DEVICE_BIND_IOMMUFD", "VFIO>userspace heir: ok",
               "userspace>LUO heir: LIVEUPDATE_SESSION_FINISH", "LUO>userspace heir: ok"});
}

TEST_CASE("the chart has its actors as columns, in text and as a picture") {
  const std::string text = chart("iommu-state", "text");
  std::istringstream lines(text);
  std::string head;
  std::getline(lines, head);
  for (const char* actor : {"userspace", "LUO", "iommufd", "VFIO", "PCI", "IOMMU", "hardware"}) {
    CHECK(head.find(actor) != std::string::npos);
  }
  // From user space's line into LUO's.
  CHECK(text.find("|--------->|") != std::string::npos);
  CHECK(text.find("|<.........|") != std::string::npos);
  CHECK(text == chart("iommu-state", "text"));
  const std::string picture = chart("iommu-state", "svg");
  CHECK(picture.starts_with("<svg xmlns="));
  CHECK(picture.find(">userspace</text>") != std::string::npos);
  CHECK(picture.ends_with("</svg>\n"));
}

TEST_CASE("a run in which nobody asks for a live update has no chart") {
  const Loaded loaded = check_scenario_text(
      "s.yaml",
      "baton: 1\ntitle: t\nmachine: {memory: 4GiB, topology: {lspci: hosts/flat.lspci}}\n"
      "processes: [{name: idle, calls: [{sleep: 1ms}]}]\nexpect: [{holds: all}]\n",
      testing::source_dir() + "/scenarios");
  REQUIRE(loaded.good());
  ShowRequest request;
  request.row = show_row("flow");
  request.format = "text";
  std::ostringstream out;
  const auto shown = show(loaded, request, out);
  REQUIRE_FALSE(shown.has_value());
  CHECK(shown.error().problem == ShowProblem::kNothing);
}
