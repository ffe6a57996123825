// A nest parent and a table of user space over it, by the requests of /dev/iommu.
#pragma once

#include "tests/iommufd/iommufd_fixture.h"

namespace baton::test {

// A page of the process, where structs are passed.
inline UserAddr scratch(IommufdKernel& kernel) {
  return kernel.process.map_anonymous(sim::kPageSize).value();
}

template <class T>
void put(IommufdKernel& kernel, UserAddr at, const T& value) {
  CHECK(kernel.process.store(at, std::as_bytes(std::span(&value, 1))).has_value());
}

struct NestedTables {
  std::uint32_t parent = 0;
  std::uint32_t nested = 0;
};

inline Co<NestedTables> make_tables(IommufdKernel& kernel, const Guest& guest, UserAddr at) {
  NestedTables made;
  uapi::iommu_hwpt_alloc parent;
  parent.dev_id = guest.device;
  parent.pt_id = guest.ioas;
  parent.flags = uapi::kHwptAllocNestParent | uapi::kHwptAllocPasid;
  AWAIT_EQUAL(request(kernel, guest.iommufd, uapi::kIommuHwptAlloc, parent), 0);
  made.parent = parent.out_hwpt_id;
  put(kernel, at, uapi::iommu_hwpt_vtd_s1{.pgtbl_addr = kGuestIova, .addr_width = 48});
  uapi::iommu_hwpt_alloc nested;
  nested.dev_id = guest.device;
  nested.pt_id = made.parent;
  nested.flags = uapi::kHwptAllocPasid;
  nested.data_type = uapi::kHwptDataVtdS1;
  nested.data_len = sizeof(uapi::iommu_hwpt_vtd_s1);
  nested.data_uptr = at.value();
  AWAIT_EQUAL(request(kernel, guest.iommufd, uapi::kIommuHwptAlloc, nested), 0);
  made.nested = nested.out_hwpt_id;
  co_return made;
}

}  // namespace baton::test
