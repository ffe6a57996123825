// docs/vtd-faults.md: every fault reason with the test that raises it.
#include <fstream>
#include <map>
#include <sstream>

#include "model/iommu_vtd/reason_rows.h"
#include "tests/support/golden.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::iommu_vtd;

namespace {

struct TestOf {
  std::uint8_t first;
  std::uint8_t last;
  const char* file;
  const char* name;
};

// The later row of two that hold a code counts.
constexpr std::array kTests{
    TestOf{0x01, 0x0C, "dma_test.cc", "each fault of legacy mode has its reason, and is recorded"},
    TestOf{0x0D, 0x0D, "dma_test.cc", "address types and PASIDs that legacy mode refuses"},
    TestOf{0x0E, 0x0E, "dma_test.cc", "each fault of legacy mode has its reason, and is recorded"},
    TestOf{0x20, 0x26, "interrupt_remapping_test.cc",
           "each refusal of an interrupt has its reason and is recorded with the index"},
    TestOf{0x23, 0x23, "interrupt_remapping_test.cc",
           "a table that is not backed is an unreadable entry"},
    TestOf{0x27, 0x28, "interrupt_posting_test.cc",
           "each refusal of a posting has its reason, is recorded, and is silenced by FPD"},
    TestOf{0x29, 0x29, "dma_test.cc",
           "reads of interrupt addresses are blocked, recorded only while interrupts are remapped"},
    TestOf{0x30, 0x31, "dma_test.cc", "address types and PASIDs that legacy mode refuses"},
    TestOf{0x32, 0x32, "device_tlb_test.cc",
           "page requests that the tables refuse are recorded and answered with failure"},
    TestOf{0x38, 0x5F, "scalable_faults_test.cc",
           "each fault of the structures of scalable mode has its reason"},
    TestOf{0x47, 0x47, "device_tlb_test.cc",
           "page requests that the tables refuse are recorded and answered with failure"},
    TestOf{0x70, 0x82, "scalable_faults_test.cc",
           "each fault of the first stage and of nesting has its reason"},
    TestOf{0x7A, 0x7B, "scalable_faults_test.cc",
           "each fault of the second stage in scalable mode has its reason"},
    TestOf{0x7C, 0x7C, "scalable_faults_test.cc",
           "accessed and dirty bits are set in snooped memory alone"},
    TestOf{0x90, 0x90, "scalable_faults_test.cc",
           "accessed and dirty bits are set in snooped memory alone"},
    TestOf{0x5C, 0x5C, "scalable_faults_test.cc",
           "execute and supervisor requests need their enable bit, and execution its right"},
    TestOf{0x82, 0x82, "scalable_faults_test.cc",
           "execute and supervisor requests need their enable bit, and execution its right"},
    TestOf{0x83, 0x83, "scalable_faults_test.cc",
           "each fault of the structures of scalable mode has its reason"},
    TestOf{0x84, 0x87, "scalable_faults_test.cc",
           "each fault of the second stage in scalable mode has its reason"},
};

const TestOf* test_of(std::uint8_t code) {
  const TestOf* found = nullptr;
  for (const TestOf& row : kTests) {
    if (code >= row.first && code <= row.last) found = &row;
  }
  return found;
}

const std::string& source(const std::string& file) {
  static std::map<std::string, std::string> sources;
  std::string& text = sources[file];
  if (text.empty()) {
    std::ostringstream all;
    all << std::ifstream(testing::source_dir() + "/tests/iommu_vtd/" + file).rdbuf();
    text = all.str();
  }
  return text;
}

std::string page() {
  std::string text =
      "# Fault reasons of the remapping units\n\n"
      "What a unit writes into its fault record when it refuses a request [VT-d 7.1.3], and the "
      "test that makes it\ndo so. *FPD*: the fault-processing-disable bit of the entries that the "
      "request went through keeps the\nfault out of the log; the request is refused all the "
      "same. Made from `model/iommu_vtd/reason_rows.cc` by\n`tests/iommu_vtd/fault_table_test.cc`; "
      "`BATON_UPDATE_GOLDEN=1` writes it anew.\n\n"
      "| code | name | condition | FPD | raised by |\n|---|---|---|---|---|\n";
  for (const ReasonRow& row : reason_rows()) {
    const TestOf* test = test_of(row.code());
    const std::string by = row.never.empty() && test != nullptr
                               ? fmt::format("{}: {}", test->file, test->name)
                               : fmt::format("never: {}", row.never);
    text += fmt::format("| {:#04x} | {} | {} | {} | {} |\n", row.code(), row.id, row.condition,
                        row.qualified() ? "yes" : "no", by);
  }
  return text;
}

}  // namespace

TEST_CASE("every fault reason that can be raised has a test that raises it") {
  for (const ReasonRow& row : reason_rows()) {
    INFO(fmt::format("{:#x}", row.code()));
    const TestOf* test = test_of(row.code());
    if (!row.never.empty()) continue;
    REQUIRE(test != nullptr);
    CHECK(source(test->file).find(test->name) != std::string::npos);
    const bool named =
        source(test->file).find(fmt::format("0x{:X}", row.code())) != std::string::npos;
    CHECK(named);
  }
}

TEST_CASE("the table of fault reasons in the documentation is the program's") {
  const std::string problem = testing::golden_problem("docs/vtd-faults.md", page());
  INFO(problem);
  CHECK(problem.empty());
}

TEST_CASE("a code that no table defines has no row") {
  CHECK(find_reason(0x22) != nullptr);
  CHECK(find_reason(0x22)->reason == Reason::kRemapEntryNotPresent);
  CHECK(find_reason(0x00) == nullptr);
  CHECK(find_reason(0x6F) == nullptr);
  CHECK(find_reason(0x28)->never.empty());
}
