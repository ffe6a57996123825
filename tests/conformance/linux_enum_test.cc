// What measured kernels wrote to configuration space against what this Linux writes
// [tests/conformance/data/README.md].
#include <algorithm>

#include "harness/conform/linux_enum.h"
#include "tests/support/source_dir.h"

namespace {

using namespace baton;

std::expected<boost::json::value, std::string> document_of(const std::string& name) {
  return harness::load_json(testing::source_dir() + "/tests/conformance/data/" + name);
}

harness::EnumRecord record(const std::string& name) {
  const auto document = document_of(name);
  INFO((document ? std::string() : document.error()));
  REQUIRE(document.has_value());
  auto read = harness::read_enum_record(name, *document);
  INFO((read ? std::string() : read.error()));
  REQUIRE(read.has_value());
  return std::move(*read);
}

harness::EnumResult judge(const harness::EnumRecord& read,
                          std::span<const harness::ReviewedEnum> reviewed = {}) {
  auto result = harness::judge_enum(read, reviewed);
  INFO((result ? std::string() : result.error()));
  REQUIRE(result.has_value());
  return std::move(*result);
}

void check(const std::string& name, std::size_t writes) {
  const harness::EnumResult result = judge(record(name), harness::reviewed_enum());
  INFO(harness::text(result, false));
  CHECK(result.passed());
  CHECK(result.equal() * 100 >= result.total() * 95);
  CHECK(result.total() >= writes);
}

}  // namespace

// The numbers of binding writes are those that the records' makers counted.
TEST_CASE("this Linux enumerates endpoints on the root bus as the measured kernel did") {
  check("t01-flat.json.gz", 1166);
}

TEST_CASE("this Linux enumerates a switch below a switch as the measured kernel did") {
  check("t03-switch.json.gz", 2922);
}

TEST_CASE("this Linux enumerates hotplug ports with reserved buses as the measured kernel did") {
  check("t05-hotplug-reserve.json.gz", 1641);
}

TEST_CASE("this Linux enumerates multi-function devices as the measured kernel did") {
  check("t06-multifunction.json.gz", 2773);
}

TEST_CASE("this Linux enumerates cards that came at run time as the measured kernel did") {
  check("t10-runtime-hotplug.json.gz", 1504);
}

TEST_CASE("this Linux leaves and meets devices that run through VFIO as the measured kernel did") {
  check("t11-viommu-vfio-running.json.gz", 688);
  check("t14-viommu-scalable.json.gz", 688);
}

TEST_CASE("this Linux meets running devices after a crash as the measured kernel did") {
  check("t12-viommu-kdump.json.gz", 671);
}

TEST_CASE("a write more, less or other in the record is a difference, and fails") {
  harness::EnumRecord read = record("t01-flat.json.gz");
  read.variants.resize(1);
  const std::size_t equal = judge(read).equal();
  harness::EnumPhase& phase = read.variants[0].phases["linux_cold_enum"];
  const auto own = std::ranges::find_if(phase, [](const harness::EnumContext& context) {
    return context.word() == "acpi_init" && !context.accesses.empty();
  });
  REQUIRE(own != phase.end());
  const auto write = std::ranges::find_if(
      own->accesses, [](const harness::EnumAccess& access) { return access.write; });
  REQUIRE(write != own->accesses.end());
  write->value ^= 0x0100;
  const harness::EnumResult other = judge(read);
  CHECK_FALSE(other.passed());
  CHECK(other.equal() == equal - 1);
  CHECK(other.variants[0].phases[0].differences.size() == 2);
  CHECK(harness::text(other, false).contains("recorded only [0] 00:00.0 0x004/2 = 0x403"));
  const std::vector<harness::ReviewedEnum> reviewed{
      {"t01-flat", "plain", "linux_cold_enum", "00:00.0", 0x04, "made by this test"}};
  CHECK(judge(read, reviewed).passed());
  CHECK(harness::text(judge(read, reviewed), true).contains("reviewed: made by this test"));
  own->accesses.erase(write);
  CHECK(judge(read).equal() == equal - 1);
  CHECK_FALSE(judge(read).passed());
}

TEST_CASE("a final register that differs fails, whatever was written") {
  harness::EnumRecord read = record("t01-flat.json.gz");
  read.variants.resize(1);
  read.variants[0].states["kexec_kernel"][Bdf(0, 3, 0)].command = 0x0107;
  const harness::EnumResult result = judge(read);
  CHECK_FALSE(result.passed());
  CHECK(harness::text(result, false)
            .contains("kexec_kernel 00:03.0 Command: recorded 0x107, model 0x103"));
}

TEST_CASE("an entry of the reviewed list that meets no difference is stale, and fails") {
  harness::EnumRecord read = record("t01-flat.json.gz");
  read.variants.resize(1);
  const std::vector<harness::ReviewedEnum> reviewed{
      {"t01-flat", "plain", "linux_cold_enum", "00:03.0", 0x04, "once true"}};
  const harness::EnumResult result = judge(read, reviewed);
  CHECK_FALSE(result.passed());
  CHECK(harness::text(result, false)
            .contains("stale entry of the reviewed list: plain, linux_cold_enum, 00:03.0"));
}

TEST_CASE("a function that the model's kernel does not find fails") {
  harness::EnumRecord read = record("t03-switch.json.gz");
  read.variants.resize(1);
  // The switch answers with a bus number that its port does not lead to.
  read.functions[Bdf(0, 3, 0)].bytes[0x19] = std::byte{0};
  const auto result = harness::judge_enum(read, {});
  CHECK((!result.has_value() || !result->passed()));
}

TEST_CASE("damaged records of enumeration are refused with the place and what is expected") {
  const auto problem = [](std::string_view text) {
    const auto document = harness::parse_json("e.json", text);
    if (!document) return document.error();
    const auto read = harness::read_enum_record("e.json", *document);
    return read ? std::string() : read.error();
  };
  const std::string head = R"({"topology": "t", "qemu_args": "", "states": {"plain": {}}, )";
  const std::string function =
      R"("config": {"00:00.0": {"fw": "86", "len": 256, "rw": "", "w1c": "", )"
      R"("bars": [], "rom": 0}})";
  CHECK(problem("{").starts_with("e.json:1:"));
  CHECK(problem("{}").contains("topology"));
  CHECK(problem(head + R"("runs": {"plain": {"phases": {}}}, )" + function + "}").empty());
  CHECK(problem(head + R"("runs": {"plain": {"phases": {}}}, "config": {}})")
            .contains("has no function"));
  CHECK(problem(head + R"("runs": {"plain": {"phases": {"p": [{"context": "c", "accesses":)" +
                R"( [["00:00.0", "w", 2, 4, 0, "c"]]}]}}}, )" + function + "}")
            .contains("entry 0 must be [\"bb:dd.f\""));
  CHECK(problem(head + R"("runs": {"plain": {"phases": {}}}, "config": {"0:0": {}}})")
            .contains("is not of a function bb:dd.f"));
  CHECK(
      problem(head +
              R"("runs": {"plain": {"phases": {}}}, "config": {"00:00.0": {"fw": "", "len": 300,)" +
              R"( "rw": "", "w1c": "", "bars": [], "rom": 0}}})")
          .contains("len must be 256 or 4096"));
  CHECK(
      problem(head +
              R"("runs": {"plain": {"phases": {}}}, "config": {"00:00.0": {"fw": "", "len": 256,)" +
              R"( "rw": "", "w1c": "", "bars": [{"index": 0, "kind": "mem32", "prefetch": false,)" +
              R"( "size": 3}], "rom": 0}}})")
          .contains("size must be a power of two"));
}
