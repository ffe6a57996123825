#include "model/iommu_vtd/fields.h"

#include <fmt/format.h>

namespace baton::iommu_vtd {

std::string print(std::span<const Field> fields, std::span<const std::uint64_t> words) {
  std::string text;
  for (const Field& field : fields) {
    if (field.access == Access::kReserved || field.word() >= words.size()) {
      continue;
    }
    fmt::format_to(std::back_inserter(text), "{}{}={:x}", text.empty() ? "" : " ", field.name,
                   get(field, words[field.word()]));
  }
  return text;
}

}  // namespace baton::iommu_vtd
