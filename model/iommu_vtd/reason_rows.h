// The fault reasons as a table: code, name in the specification, condition. For whoever explains
// them; the meaning of each in the model is in reasons.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "model/iommu_vtd/reasons.h"

namespace baton::iommu_vtd {

struct ReasonRow {
  Reason reason;
  std::string_view id;          // of the specification's tables
  std::string_view condition;   // a sentence without its full stop
  std::string_view never = {};  // why the model cannot raise it; empty: it does

  std::uint8_t code() const { return static_cast<std::uint8_t>(reason); }
  bool qualified() const { return is_qualified(reason); }  // FPD keeps it out of the log
};

// By code.
std::span<const ReasonRow> reason_rows();
// Null for a code that the specification does not define, or the model does not know.
const ReasonRow* find_reason(std::uint8_t code);

}  // namespace baton::iommu_vtd
