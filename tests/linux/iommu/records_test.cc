// The records of devices and domains [posted series iommu v5].
#include "model/linux/iommu/records.h"

namespace {

using namespace baton;

}  // namespace

TEST_CASE("A device record has room for a domain above 0xFFFF") {
  linux::iommu::DeviceRecord record;
  record.address = {0x10001, Bdf(0, 2, 0)};
  CHECK(linux::iommu::DeviceRecord::decode(record.encode()).address == record.address);
}
