// The way of a memory request through the structures of scalable mode [VT-d 3.4.3, 7.1.3]: one
// function for each step, in the order in which faults are reported.
//
// Privileged requests come from RID_PRIV alone: requests of the fabric carry no privilege, and none
// asks to execute, so reasons 5Ch and 82h do not occur here.
#pragma once

#include <expected>
#include <optional>

#include "model/iommu_vtd/first_stage.h"
#include "model/iommu_vtd/request_progress.h"

namespace baton::iommu_vtd {

class ScalableRemapping {
 public:
  explicit ScalableRemapping(Core& core) : core_(core) {}

  // nullopt: arrived.
  std::optional<Reason> translate(Progress& progress);
  // A page request; nullopt: the tables allow it. Drops what caches know of its page, which
  // software is about to map.
  std::optional<Reason> admit_page_request(Progress& progress);

 private:
  std::expected<Entry256, Reason> find_context(Progress& progress);
  std::optional<Reason> check_request(const Progress& progress, const Entry256& context) const;
  std::optional<Reason> check_pasid_enabled(const Progress& progress,
                                            const Entry256& context) const;
  std::expected<Pasid, Reason> select_pasid(const Progress& progress,
                                            const Entry256& context) const;
  std::expected<Entry512, Reason> find_pasid_entry(Progress& progress, const Entry256& context,
                                                   Pasid pasid);
  std::expected<Entry512, Reason> read_tables(Progress& progress, const Entry256& context,
                                              Pasid pasid);
  std::optional<Reason> check_kind(const Entry512& entry, Rights wanted) const;
  std::expected<Mapping, Reason> find_mapping(Progress& progress, const Entry512& entry,
                                              Pasid pasid, Rights wanted);
  std::expected<Mapping, Reason> walk(Progress& progress, const Entry512& entry, std::uint64_t tag,
                                      Rights wanted);

  Core& core_;
};

}  // namespace baton::iommu_vtd
