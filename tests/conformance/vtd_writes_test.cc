// The programming of a remapping unit by measured kernels against that of this Linux
// [tests/conformance/data/README.md].
#include "harness/conform/vtd_writes.h"
#include "tests/support/source_dir.h"

namespace {

using namespace baton;

harness::WritesRecord record(const std::string& name) {
  const std::string file = testing::source_dir() + "/tests/conformance/data/" + name;
  const auto document = harness::load_json(file);
  INFO((document ? std::string() : document.error()));
  REQUIRE(document.has_value());
  auto read = harness::read_vtd_writes(name, *document);
  INFO((read ? std::string() : read.error()));
  REQUIRE(read.has_value());
  return std::move(*read);
}

harness::WritesResult judge(const harness::WritesRecord& read) {
  auto result = harness::judge_vtd_writes(read);
  INFO((result ? std::string() : result.error()));
  REQUIRE(result.has_value());
  return std::move(*result);
}

std::string problem(std::string_view text) {
  const auto document = harness::parse_json("w.json", text);
  if (!document) return document.error();
  const auto read = harness::read_vtd_writes("w.json", *document);
  return read ? "" : read.error();
}

}  // namespace

TEST_CASE("this Linux programs a unit in the order of the measured kernels") {
  for (const char* name : {"t11_vtd.json.gz", "t12_vtd.json.gz", "t14_vtd.json.gz"}) {
    const harness::WritesRecord read = record(name);
    const harness::WritesResult result = judge(read);
    INFO(harness::text(result, true));
    CHECK(result.equal() == result.total());
    CHECK(result.total() > 30);
    CHECK(read.config.interrupt_remapping);
    CHECK(read.config.scalable == (name[2] == '4'));
    CHECK(read.config.crash == (name[2] == '2'));
  }
}

TEST_CASE("a write more, less or other is not equal") {
  harness::WritesRecord read = record("t11_vtd.json.gz");
  const std::size_t total = judge(read).total();
  harness::WritesRecord more = read;
  more.cold.push_back({0x64, 4, 0});
  CHECK(judge(more).total() == total + 1);
  CHECK(judge(more).equal() == total);
  harness::WritesRecord less = read;
  less.next.erase(less.next.begin());
  CHECK(judge(less).equal() == total - 1);
  harness::WritesRecord other = read;
  other.shutdown.front().value |= 1U << 25 | 1U << 24;
  CHECK(judge(other).equal() == total - 1);
  CHECK(harness::text(judge(other), true).find('*') != std::string::npos);
}

TEST_CASE("addresses are renamed, the fields beside them count") {
  using harness::compared_writes;
  CHECK(compared_writes({{0x20, 8, 0x5000}}) == compared_writes({{0x20, 8, 0x9000}}));
  CHECK(compared_writes({{0x20, 8, 0x5000}}) != compared_writes({{0x20, 8, 0x5400}}));
  // The tail is counted from where it was, around the end of the queue.
  CHECK(compared_writes({{0x90, 8, 0x1000}, {0x88, 4, 0xFF0}, {0x88, 4, 0x10}}) ==
        std::vector<std::string>{"IQA = <address> | 0x0", "IQT + 255 descriptors",
                                 "IQT + 2 descriptors"});
}

TEST_CASE("a malformed record of writes is refused with the place of what is wrong") {
  CHECK(problem("{}") == "w.json: topology: missing");
  CHECK(problem(R"({"topology":"t","runs":{"plain":{"phases":{}}}})") ==
        "w.json: runs.plain.phases: has no writes to a remapping unit in linux_cold_enum");
  CHECK(problem(R"({"topology":"t","runs":{"plain":{"phases":{"linux_cold_enum":)"
                R"([{"context":"c","accesses":[["vtd","w 0x18"]]}]}}}})") ==
        "w.json: runs.plain.phases.linux_cold_enum[0].accesses[0][1]: must be \"w 0xOFFSET SIZE "
        "0xVALUE\"");
}
