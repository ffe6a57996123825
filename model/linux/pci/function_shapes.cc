#include "model/linux/pci/function_shapes.h"

#include <algorithm>
#include <bit>

namespace baton::linux::pci {
namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kHighestDomain = 0x7FFF'FFFF;  // an int in Linux

Sbdf address_of(const FunctionShape& shape) { return {shape.domain, Bdf(shape.bdf)}; }

FunctionShape shape_of_device(const PciDev& dev) {
  FunctionShape shape;
  shape.domain = dev.address.segment;
  shape.bdf = dev.address.bdf.value();
  shape.used = 1;
  for (std::size_t i = 0; i < shape.bar_sizes.size(); ++i)
    shape.bar_sizes[i] = dev.resources[i].size;
  shape.rom_size = dev.resources[6].size;
  if (dev.io_window) shape.windows |= kShapeIoWindow;
  if (dev.pref_window) shape.windows |= kShapePrefWindow;
  if (dev.pref_64_window) shape.windows |= kShapePref64Window;
  return shape;
}

FunctionShape shape_of_virtual(const PciDev& dev) {
  FunctionShape shape;
  shape.domain = dev.address.segment;
  shape.bdf = dev.address.bdf.value();
  shape.used = 1;
  shape.windows = kShapeVirtual;
  for (std::size_t i = 0; i < shape.bar_sizes.size(); ++i)
    shape.bar_sizes[i] = dev.vf_bars[i].alignment;
  return shape;
}

bool is_size(std::uint64_t size, std::uint64_t least) {
  return size == 0 || (std::has_single_bit(size) && size >= least);
}

bool is_valid(const FunctionShape& shape) {
  return shape.domain <= kHighestDomain && is_size(shape.rom_size, 2048) &&
         shape.rom_size <= 1U << 24 &&
         std::ranges::all_of(shape.bar_sizes, [](std::uint64_t size) { return is_size(size, 4); });
}

}  // namespace

FunctionShapes::FunctionShapes(KernelServices& services, kho::Kho& kho)
    : table_(services, kho, kVersion, "baton-pci-v1", "baton-pci-v1 block") {}

Co<Result<std::uint64_t>> FunctionShapes::preserve() {
  const auto page = table_.create();
  if (!page) co_return fail(page.error());
  co_return page->value();
}

Co<> FunctionShapes::unpreserve(std::uint64_t) {
  table_.destroy();
  co_return;
}

Result<> FunctionShapes::add(const PciDev& dev) {
  if (!table_.exists()) return fail(Errno::kNoEnt);
  const auto place = table_.reserve();
  if (!place) return fail(place.error());
  table_.write(*place, shape_of_device(dev));
  if (dev.num_vfs == 0) return {};
  const auto second = table_.reserve();
  if (!second) {
    drop(dev);
    return fail(second.error());
  }
  table_.write(*second, shape_of_virtual(dev));
  return {};
}

void FunctionShapes::drop(const PciDev& dev) {
  table_.drop_if([&](const FunctionShape& shape) { return address_of(shape) == dev.address; });
}

Co<Result<>> FunctionShapes::retrieve(std::uint64_t data) {
  const auto records = table_.restore(PhysAddr(data));
  if (!records) co_return fail(records.error());
  for (const FunctionShape& shape : *records) {
    if (!is_valid(shape)) co_return fail(Errno::kInval);
    const bool is_virtual = (shape.windows & kShapeVirtual) != 0;
    (is_virtual ? incoming_virtual_ : incoming_)[address_of(shape)] = shape;
  }
  co_return Result<>();
}

Co<> FunctionShapes::finish() {
  table_.free_restored();
  incoming_.clear();
  incoming_virtual_.clear();
  co_return;
}

const FunctionShape* FunctionShapes::find(Sbdf address) const {
  const auto found = incoming_.find(address);
  return found == incoming_.end() ? nullptr : &found->second;
}

const FunctionShape* FunctionShapes::find_virtual(Sbdf address) const {
  const auto found = incoming_virtual_.find(address);
  return found == incoming_virtual_.end() ? nullptr : &found->second;
}

}  // namespace baton::linux::pci
