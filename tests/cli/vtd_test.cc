// What the program says about remapping units: fault reasons, conformance suites.
#include "tests/cli/program.h"
#include "tests/support/source_dir.h"

using namespace baton::testing;

namespace {
Ran explain(const std::string& value) { return run_baton({"explain", "vtd-fault", value}); }
std::string data_file(const std::string& name) {
  return source_dir() + "/tests/conformance/data/" + name;
}
}  // namespace

TEST_CASE("a fault reason is explained by number, in either base") {
  const Ran page = explain("0x22");
  CHECK(page.code == 0);
  CHECK(page.data.find("interrupt remapping entry is not present") != std::string::npos);
  CHECK(explain("34").data == page.data);
  CHECK(page.data.find("unless FPD") != std::string::npos);
  CHECK(explain("0x21").data.find("always") != std::string::npos);
  CHECK(explain("2").data.find("LCT.2") != std::string::npos);
}

TEST_CASE("what is no fault reason is refused with what may stand there") {
  for (const char* value : {"0x", "x", "0xF", "0x100", "22h", "-1", "0x2 2"}) {
    INFO(value);
    const Ran refused = explain(value);
    CHECK(refused.code == 2);
    CHECK(refused.human.find("34 or 0x22") != std::string::npos);
  }
}

TEST_CASE("conform counts by category, and fails on a vector that fails") {
  const Ran good = run_baton({"conform", "vtd", data_file("vtd_vectors.json.gz")});
  CHECK(good.code == 0);
  CHECK(lines_of(good.data).front().starts_with("category"));
  CHECK(good.data.find("sum                  239       0           15         2") !=
        std::string::npos);
  TemporaryFolder folder("conform");
  std::ofstream(folder.file("bad.json"))
      << R"({"format":"baton-vtd-vectors-1","configs":{"c":{"VER":"0x10",)"
         R"("CAP":"0xd2008c222f0606","ECAP":"0xf42"}},"vectors":[{"name":"wrong",)"
         R"("category":"regs","config":"c","conformance":{"level":"must"},"memory":[],"steps":[)"
         R"({"op":"reg_read","reg":"VER","off":"0x0","size":4,"expect":"0x11"}],"final":{}}]})";
  const Ran bad = run_baton({"conform", "vtd", "-v", folder.file("bad.json")});
  CHECK(bad.code == 1);
  CHECK(bad.data.find("FAILED: wrong (regs, must)") != std::string::npos);
  CHECK(bad.data.find("seen         0x10") != std::string::npos);
  CHECK(bad.data.find("recorded     0x11") != std::string::npos);
}

TEST_CASE("conform refuses what it cannot read, and suites that do not exist") {
  CHECK(run_baton({"conform", "vtd", "/nowhere"}).code == 2);
  const Ran suite = run_baton({"conform", "vdt", "/nowhere"});
  CHECK(suite.code == 2);
  CHECK(suite.human.find("vtd-writes") != std::string::npos);
  TemporaryFolder folder("conform-empty");
  std::ofstream(folder.file("empty.json"))
      << R"({"format":"baton-vtd-vectors-1","configs":{},"vectors":[]})";
  CHECK(run_baton({"conform", "vtd", folder.file("empty.json")}).code == 3);
}

TEST_CASE("conform vtd-writes compares measured kernels") {
  const Ran good = run_baton({"conform", "vtd-writes", data_file("t12_vtd.json.gz")});
  CHECK(good.code == 0);
  CHECK(good.data.find("39 of 39 writes equal") != std::string::npos);
  CHECK(run_baton({"conform", "vtd-writes", data_file("vtd_vectors.json.gz")}).code == 2);
}
