#include "model/pci/sriov.h"

#include <algorithm>
#include <bit>

#include "model/pci/bus.h"
#include "model/pci/fabric.h"
#include "model/pci/observations.h"
#include "model/pci/offset.h"

namespace baton::pci {
namespace {

constexpr unsigned kControl = 0x08;
constexpr unsigned kTotalVfs = 0x0E;
constexpr unsigned kNumVfs = 0x10;
constexpr unsigned kFirstOffset = 0x14;
constexpr unsigned kStride = 0x16;
constexpr unsigned kSystemPageSize = 0x20;
constexpr unsigned kBars = 0x24;

constexpr std::uint32_t kVfEnable = 1U << 0;
constexpr std::uint32_t kVfMemorySpace = 1U << 3;

}  // namespace

Sriov::Sriov(Function& physical, std::uint16_t capability)
    : physical_(physical), capability_(capability), control_(get(kControl, 2)) {
  size_bars();
}

Sriov::~Sriov() = default;

std::uint32_t Sriov::get(unsigned offset, unsigned bytes) const {
  return physical_.config().get(plus(capability_, offset), bytes);
}

bool Sriov::memory_enabled() const { return (get(kControl, 2) & kVfMemorySpace) != 0; }

Function* Sriov::virtual_function(unsigned index) const {
  return index < present_.size() ? present_[index] : nullptr;
}

// A VF BAR is as large as the system's page at least, so that each virtual function's lies in pages
// of its own [PCIe 9.2.1.1.1].
void Sriov::size_bars() {
  page_ = get(kSystemPageSize, 4);
  ConfigSpace& config = physical_.config();
  for (unsigned bar = 0; bar < 6; ++bar) {
    const Bar& declared = config.vf_bar(bar);
    if (declared.size == 0) continue;
    const std::uint64_t page = std::uint64_t{4096} * std::bit_floor(std::max(page_, 1U));
    const std::uint64_t mask = ~(std::max(declared.size, page) - 1);
    const std::uint16_t at = plus(capability_, kBars + 4 * bar);
    const std::uint32_t low = static_cast<std::uint32_t>(mask) & ~0xFU;
    config.set_writable(at, 4, low);
    config.set(at, 4, config.get(at, 4) & (low | 0xFU));
    if (declared.kind == BarKind::kMemory64) {
      config.set_writable(plus(at, 4), 4, static_cast<std::uint32_t>(mask >> 32));
    }
  }
}

std::optional<Sriov::Range> Sriov::range(unsigned index, unsigned bar) const {
  const Bar& declared = physical_.config().vf_bar(bar);
  if (declared.size == 0) return std::nullopt;
  std::uint64_t base = get(kBars + 4 * bar, 4) & ~0xFU;
  if (declared.kind == BarKind::kMemory64) {
    base |= std::uint64_t{get(kBars + 4 * bar + 4, 4)} << 32;
  }
  const std::uint64_t page = std::uint64_t{4096} * std::bit_floor(std::max(page_, 1U));
  return Range{base + index * std::max(declared.size, page), declared.size};
}

std::optional<unsigned> Sriov::devfn_of(unsigned index) const {
  const unsigned devfn =
      physical_.devfn() + get(kFirstOffset, 2) + std::uint32_t{index} * get(kStride, 2);
  if (devfn > 0xFF) return std::nullopt;
  return devfn;
}

Function& Sriov::function(unsigned index) {
  if (index < present_.size()) return *present_[index];
  make_until(index);
  return *hidden_[index];
}

void Sriov::make_until(unsigned index) {
  while (hidden_.size() <= index) {
    const auto next = static_cast<unsigned>(hidden_.size());
    hidden_.push_back(physical_.make_virtual_function(next));
    hidden_.back()->home_ = this;
    hidden_.back()->index_ = next;
  }
}

Bdf Sriov::routing_id(Bdf physical, unsigned index) const {
  return Bdf(static_cast<std::uint16_t>(physical.value() + get(kFirstOffset, 2) +
                                        std::uint32_t{index} * get(kStride, 2)));
}

void Sriov::look() {
  const std::uint32_t before = control_;
  control_ = get(kControl, 2);
  if (get(kSystemPageSize, 4) != page_) size_bars();
  if (((before ^ control_) & kVfEnable) != 0) {
    const bool enable = (control_ & kVfEnable) != 0;
    // NumVFs is writable while VF Enable is clear [PCIe 9.3.3.7].
    physical_.config().set_writable(plus(capability_, kNumVfs), 2, enable ? 0 : 0xFFFF);
    enable ? appear() : vanish();
  }
  for (Function* function : present_) function->routing_changed(Routing::kClaims);
}

void Sriov::capture_bus(std::uint8_t bus) {
  for (Function* function : present_) function->captured_bus_ = bus;
}

void Sriov::appear() {
  if (physical_.bus() == nullptr) return;
  const unsigned count = std::min(get(kNumVfs, 2), get(kTotalVfs, 2));
  Fabric& fabric = *physical_.fabric_;
  Bus& bus = *physical_.bus();
  for (unsigned index = 0; index < count; ++index) {
    const auto devfn = devfn_of(index);
    if (!devfn || bus.at_devfn(*devfn) != nullptr) break;
    make_until(index);
    Function& function = fabric.add(bus, *devfn >> 3, *devfn & 7, std::move(hidden_[index]));
    function.captured_bus_ = physical_.captured_bus_;
    function.captured_device_ = static_cast<std::uint8_t>(*devfn >> 3);
    present_.push_back(&function);
  }
  auto& topic = physical_.simulation().topic<VirtualFunctionsChanged>();
  if (topic.active()) topic.publish({physical_, enabled()});
}

// An imported host may have had virtual functions: they are on the bus as functions of their own.
void Sriov::adopt() {
  for (unsigned index = 0; index < get(kTotalVfs, 2); ++index) {
    const auto devfn = devfn_of(index);
    Function* function = devfn ? physical_.bus()->at_devfn(*devfn) : nullptr;
    if (function == nullptr || function == &physical_ || function->config().get(0, 4) != ~0U) break;
    function->home_ = this;
    function->index_ = index;
    present_.push_back(function);
    hidden_.emplace_back();
  }
}

void Sriov::vanish() {
  if (physical_.bus() == nullptr) return;
  if (hidden_.empty()) adopt();
  // They stop before they are gone, so that nothing of them is in flight.
  for (Function* function : present_) function->reset(ResetKind::kFunctionLevel);
  for (Function* function : present_) {
    hidden_[function->index_] = physical_.fabric_->remove(*function);
  }
  present_.clear();
  auto& topic = physical_.simulation().topic<VirtualFunctionsChanged>();
  if (topic.active()) topic.publish({physical_, 0});
}

}  // namespace baton::pci
