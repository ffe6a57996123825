#include "model/linux/pci/function_shapes.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace baton::linux::pci {
namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::uint64_t kHeaderBytes = 16;
constexpr std::uint32_t kHighestDomain = 0x7FFF'FFFF;  // an int in Linux

Sbdf address_of(const FunctionShape& shape) { return {shape.domain, Bdf(shape.bdf)}; }

FunctionShape shape_of_device(const PciDev& dev) {
  FunctionShape shape;
  shape.domain = dev.address.segment;
  shape.bdf = dev.address.bdf.value();
  shape.in_use = 1;
  for (std::size_t i = 0; i < shape.bar_sizes.size(); ++i)
    shape.bar_sizes[i] = dev.resources[i].size;
  shape.rom_size = dev.resources[6].size;
  if (dev.io_window) shape.windows |= kShapeIoWindow;
  if (dev.pref_window) shape.windows |= kShapePrefWindow;
  if (dev.pref_64_window) shape.windows |= kShapePref64Window;
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
    : services_(services),
      kho_(kho),
      outgoing_blocks_(services, kho, sizeof(FunctionShape), "baton-pci-v1 block"),
      incoming_blocks_(services, kho, sizeof(FunctionShape), "baton-pci-v1 block") {}

Co<Result<std::uint64_t>> FunctionShapes::preserve() {
  const auto page = kho_.alloc_preserve(kHeaderBytes, "baton-pci-v1");
  if (!page) co_return fail(page.error());
  outgoing_ = *page;
  write_header();
  co_return outgoing_.value();
}

Co<> FunctionShapes::unpreserve(std::uint64_t) {
  outgoing_blocks_.destroy();
  outgoing_entries_.clear();
  kho_.unpreserve_free(outgoing_);
  outgoing_ = PhysAddr();
  co_return;
}

void FunctionShapes::write_header() {
  sim::PhysicalMemory& ram = services_.port().ram();
  const auto used = static_cast<std::uint32_t>(std::ranges::count_if(
      outgoing_entries_, [](const auto& entry) { return entry.in_use != 0; }));
  ram.store(outgoing_, kVersion);
  ram.store(outgoing_ + 4, used);
  ram.store(outgoing_ + 8, outgoing_blocks_.head().value());
}

void FunctionShapes::write_entry(std::size_t index, const FunctionShape& shape) {
  outgoing_entries_[index] = shape;
  outgoing_blocks_.write_entry(index, std::as_bytes(std::span(&shape, 1)));
  write_header();
}

Result<> FunctionShapes::add(const PciDev& dev) {
  if (outgoing_.value() == 0) return fail(Errno::kNoEnt);
  const auto free = std::ranges::find(outgoing_entries_, 0, &FunctionShape::in_use);
  const auto index = static_cast<std::size_t>(free - outgoing_entries_.begin());
  if (index == outgoing_entries_.size()) {
    if (const auto grown = outgoing_blocks_.grow(index + 1); !grown) return grown;
    outgoing_entries_.emplace_back();
  }
  write_entry(index, shape_of_device(dev));
  return {};
}

void FunctionShapes::drop(const PciDev& dev) {
  for (std::size_t i = 0; i < outgoing_entries_.size(); ++i) {
    if (outgoing_entries_[i].in_use == 0 || address_of(outgoing_entries_[i]) != dev.address)
      continue;
    write_entry(i, FunctionShape{});
    return;
  }
}

Co<Result<>> FunctionShapes::retrieve(std::uint64_t data) {
  sim::PhysicalMemory& ram = services_.port().ram();
  const PhysAddr page(data);
  if (page.page_offset() != 0 || !ram.contains(page, sim::kPageSize)) co_return fail(Errno::kInval);
  if (ram.load<std::uint32_t>(page) != kVersion) co_return fail(Errno::kInval);
  const PhysAddr head(ram.load<std::uint64_t>(page + 8));
  const auto restored = incoming_blocks_.restore(head);
  if (!restored) co_return restored;
  incoming_ = page;
  for (const auto& bytes : incoming_blocks_.entries()) {
    FunctionShape shape;
    std::memcpy(&shape, bytes.data(), sizeof shape);
    if (shape.in_use == 0) continue;
    if (!is_valid(shape)) co_return fail(Errno::kInval);
    shapes_[address_of(shape)] = shape;
  }
  co_return Result<>();
}

Co<> FunctionShapes::finish() {
  incoming_blocks_.destroy();
  if (incoming_.value() != 0) kho_.restore_free(incoming_);
  incoming_ = PhysAddr();
  shapes_.clear();
  co_return;
}

const FunctionShape* FunctionShapes::find(Sbdf address) const {
  const auto found = shapes_.find(address);
  return found == shapes_.end() ? nullptr : &found->second;
}

}  // namespace baton::linux::pci
