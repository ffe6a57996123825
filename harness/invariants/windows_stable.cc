// windows-stable: the address windows of every bridge above a preserved device, and that it decodes
// them [PCIe 7.5.1.3]. The registers are compared, not what they open: a window that was closed has
// to stay closed in the same words.

#include <array>

#include "harness/invariants/checkers.h"
#include "harness/invariants/route.h"

namespace baton::harness {
namespace {

struct WindowRegister {
  std::string_view name;
  std::uint16_t offset;
  unsigned bytes;
};
constexpr std::array kWindows{
    WindowRegister{"I/O Base and Limit", 0x1C, 2},
    WindowRegister{"Memory Base and Limit", 0x20, 4},
    WindowRegister{"Prefetchable Base and Limit", 0x24, 4},
    WindowRegister{"Prefetchable Base Upper", 0x28, 4},
    WindowRegister{"Prefetchable Limit Upper", 0x2C, 4},
    WindowRegister{"I/O Base and Limit Upper", 0x30, 4},
};

class WindowsStable final : public RouteChecker {
 public:
  explicit WindowsStable(Watch& watch) : RouteChecker(watch) {}
  std::string_view id() const override { return "windows-stable"; }

 private:
  void collect(const pci::Function& device, std::vector<RouteFact>& into) const override {
    for (const pci::Bridge* bridge : bridges_above(device)) {
      into.push_back({bridge, "memory decode", bridge->memory_enabled() ? 1U : 0U});
      for (const WindowRegister& window : kWindows) {
        into.push_back({bridge, window.name, bridge->config().get(window.offset, window.bytes)});
      }
    }
  }
};

}  // namespace

std::unique_ptr<Checker> make_windows_stable(Watch& watch) {
  return std::make_unique<WindowsStable>(watch);
}

}  // namespace baton::harness
