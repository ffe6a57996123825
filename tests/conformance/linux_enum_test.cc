// What measured kernels wrote to configuration space against what this Linux writes
// [tests/conformance/data/README.md].
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
