// The bytes an iommufd leaves the next kernel.
#include "model/iommufd/records.h"

namespace {

using namespace baton;

}  // namespace

TEST_CASE("A device of a domain above 0xFFFF keeps its domain in baton-iommufd-v1") {
  iommufd::Contents contents;
  contents.ioas = {{.id = 1, .areas = 0}};
  contents.hwpts = {{.id = 2, .ioas_id = 1, .automatic = false}};
  std::vector<std::byte> bytes = contents.encode();
  const iommufd::Contents::BoundDevice device{
      .id = 3, .hwpt_id = 2, .address = {0x10001, Bdf(0, 2, 0)}};
  std::ranges::copy(
      iommufd::encode_device(device),
      bytes.begin() + static_cast<std::ptrdiff_t>(iommufd::device_slot_offset(contents, 0)));
  const auto read = iommufd::Contents::decode(bytes);
  REQUIRE(read);
  REQUIRE(read->devices.size() == 1);
  CHECK(read->devices[0].address == device.address);
}
