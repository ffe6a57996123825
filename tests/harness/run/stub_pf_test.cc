// pci-lu-stub-pf: what it refuses, each in a variation of stub-pf.yaml.
#include <fstream>
#include <sstream>

#include "harness/report/text_report.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kFolder = testing::source_dir() + "/scenarios/vfio";

const std::string kSession = "      - {ioctl: LIVEUPDATE_SESSION_";
const std::string kPreservePhysical =
    kSession + "PRESERVE_FD, on: session, fd: physical, token: 1}\n";
const std::string kRetrievePhysical =
    kSession + "RETRIEVE_FD, on: session, token: 1, as: physical}\n";

std::string content() {
  std::ifstream stream(kFolder + "/stub-pf.yaml");
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

// The scenario's calls up to `at`, then `calls` instead of what follows.
std::string changed(const std::string& at, const std::string& calls) {
  const std::string text = content();
  const std::size_t place = text.find(at);
  REQUIRE(place != std::string::npos);
  return text.substr(0, place) + calls + "expect:\n  - {holds: process-calls}\n";
}

void check(const std::string& text) {
  const Loaded loaded = check_scenario_text("stub-pf.yaml", text, kFolder);
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  const RunResult result = run_scenario(loaded, {});
  INFO(format_failures(result));
  CHECK(result.passed());
}

}  // namespace

TEST_CASE("pci-lu-stub-pf refuses a reboot when its virtual functions are no longer handed over") {
  check(changed(kPreservePhysical,
                "      - {ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: pf, as: other}\n" +
                    kSession + "PRESERVE_FD, on: other, fd: physical, token: 1}\n" +
                    "      - {close: session}\n"
                    "      - {kexec_file_load: next}\n"
                    "      - {reboot: kexec, fails: EINVAL}\n"));
}

TEST_CASE("pci-lu-stub-pf refuses its file when another number of virtual functions is enabled") {
  check(changed(kRetrievePhysical,
                "      - {open: \"/sys/bus/pci/devices/0000:08:00.0/sriov_numvfs\", as: n}\n"
                "      - {write: n, text: \"2\"}\n" +
                    kSession + "RETRIEVE_FD, on: session, token: 1, fails: EAGAIN}\n"));
}

TEST_CASE("pci-lu-stub-pf has nothing to do where the kernel has taken its functions over") {
  std::string text = content();
  const std::string gone =
      "      - {open: \"/sys/bus/pci/devices/0000:08:00.1/vendor\", fails: ENOENT}\n";
  const std::size_t at = text.find(gone);
  REQUIRE(at != std::string::npos);
  text.erase(at, gone.size());
  const std::size_t policy = text.find("sriov: refuse}}");
  REQUIRE(policy != std::string::npos);
  check(text.replace(policy, 13, "sriov: adopt"));
}
