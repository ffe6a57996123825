// The table of defects is complete and its ids are usable on a command line.
#include "model/linux/base/config.h"

#include <algorithm>
#include <set>

namespace {

using namespace baton::linux;

}  // namespace

TEST_CASE("every defect has a row with an id, a sentence, a source and a kind") {
  std::set<std::string_view> ids;
  for (std::size_t i = 0; i < static_cast<std::size_t>(Defect::kCount); ++i) {
    const DefectRow& row = defect_rows()[i];
    CHECK(row.defect == static_cast<Defect>(i));
    CHECK(ids.insert(row.id).second);
    CHECK(std::all_of(row.id.begin(), row.id.end(),
                      [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; }));
    CHECK_FALSE(row.sentence.empty());
    CHECK_FALSE(row.source.empty());
    CHECK((row.kind == "skip" || row.kind == "alter" || row.kind == "reorder"));
    CHECK(defect_by_id(row.id) == row.defect);
  }
  CHECK(defect_by_id("memfd-skip-folio") == Defect::kMemfdSkipFolio);
  CHECK_FALSE(defect_by_id("no-such-defect").has_value());
}

TEST_CASE("a kernel has the defects that were added, and no others") {
  Defects defects;
  CHECK_FALSE(defects.any());
  defects.add(Defect::kVfioResetAtOpen);
  CHECK(defects.any());
  CHECK(defects.has(Defect::kVfioResetAtOpen));
  CHECK_FALSE(defects.has(Defect::kPciSkipRecords));
}
