// Device paths.
#include "model/linux/pci/device_paths.h"
#include "tests/linux/pci/pci_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;

Co<> tell_paths(LuoKernel& kernel, std::vector<std::string>& told) {
  Pci pci(kernel);
  co_await pci.core.enumerate();
  for (const Sbdf address : {kAccelerator, kVirtio}) {
    const auto path = linux::pci::path_of(pci.at(address));
    told.push_back(path ? to_string(*path) : "none");
  }
}

}  // namespace

TEST_CASE("a path begins at the host bridge, whatever the numbers of buses and segments") {
  std::vector<std::string> told;
  World world({[&told](LuoKernel& kernel) { return tell_paths(kernel, told); }}, switch_world());
  world.run();
  CHECK(world.completed(0));
  CHECK(told ==
        std::vector<std::string>{"PciRoot(0x1)/Pci(0x1,0x0)",
                                 "PciRoot(0x0)/Pci(0x3,0x0)/Pci(0x0,0x0)/Pci(0x1,0x0)/Pci(0x0,0x0)/"
                                 "Pci(0x1,0x0)/Pci(0x0,0x0)"});
}
