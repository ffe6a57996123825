#include "model/kho/root_fdt.h"

#include <libfdt.h>

#include <algorithm>
#include <cstring>

#include "model/kho/abi.h"

namespace baton::kho {

namespace {

using linux::Errno;

constexpr std::uint64_t kLargestFdt = 64 * 1024;

int capacity(std::span<std::byte> page) { return static_cast<int>(page.size()); }

// fdt_pack, then zeroes behind the tree.
void pack(std::span<std::byte> page) {
  fdt_pack(page.data());
  const std::span<std::byte> rest = page.subspan(fdt_totalsize(page.data()));
  std::ranges::fill(rest, std::byte{0});
}

// A property of exactly 8 bytes. AMBIGUOUS: whether the kernel accepts longer values; read as no.
std::optional<std::uint64_t> u64_property(const void* fdt, int node, const char* name) {
  int length = 0;
  const void* value = fdt_getprop(fdt, node, name, &length);
  if (value == nullptr || length != 8) {
    return std::nullopt;
  }
  std::uint64_t result = 0;
  std::memcpy(&result, value, sizeof(result));
  return result;
}

int find_node(const void* fdt, std::string_view name) {
  return fdt_subnode_offset_namelen(fdt, 0, name.data(), static_cast<int>(name.size()));
}

}  // namespace

linux::Result<> create_root_fdt(std::span<std::byte> page, PhysAddr memory_map) {
  void* fdt = page.data();
  const std::uint64_t map = memory_map.value();
  int error = fdt_create(fdt, capacity(page));
  error = error != 0 ? error : fdt_finish_reservemap(fdt);
  error = error != 0 ? error : fdt_begin_node(fdt, "");
  error = error != 0 ? error : fdt_property_string(fdt, abi::kCompatibleProperty, abi::kCompatible);
  error = error != 0 ? error : fdt_property(fdt, abi::kMemoryMapProperty, &map, sizeof(map));
  error = error != 0 ? error : fdt_end_node(fdt);
  error = error != 0 ? error : fdt_finish(fdt);
  if (error != 0) {
    return linux::fail(Errno::kNoMem);
  }
  pack(page);
  return {};
}

linux::Result<> add_blob(std::span<std::byte> page, std::string_view name, FdtBlob blob,
                         bool with_size) {
  void* fdt = page.data();
  if (fdt_open_into(fdt, fdt, capacity(page)) != 0) {
    return linux::fail(Errno::kNoMem);
  }
  const int node = fdt_add_subnode_namelen(fdt, 0, name.data(), static_cast<int>(name.size()));
  if (node < 0) {
    pack(page);
    return linux::fail(node == -FDT_ERR_EXISTS ? Errno::kExist : Errno::kNoMem);
  }
  const std::uint64_t address = blob.address.value();
  int error = fdt_setprop(fdt, node, abi::kDataProperty, &address, sizeof(address));
  if (error == 0 && with_size) {
    error = fdt_setprop(fdt, node, abi::kSizeProperty, &blob.size, sizeof(blob.size));
  }
  if (error != 0) {
    fdt_del_node(fdt, find_node(fdt, name));
  }
  pack(page);
  return error == 0 ? linux::Result<>() : linux::fail(Errno::kNoMem);
}

void remove_blob(std::span<std::byte> page, PhysAddr address) {
  void* fdt = page.data();
  if (fdt_open_into(fdt, fdt, capacity(page)) != 0) {
    return;
  }
  for (int node = fdt_first_subnode(fdt, 0); node >= 0; node = fdt_next_subnode(fdt, node)) {
    if (u64_property(fdt, node, abi::kDataProperty) == address.value()) {
      fdt_del_node(fdt, node);
      break;
    }
  }
  pack(page);
}

std::optional<std::vector<std::byte>> load_fdt(sim::PhysicalMemory& ram, PhysAddr address,
                                               std::uint64_t size) {
  if (size < sizeof(fdt_header) || size > kLargestFdt || !ram.contains(address, size)) {
    return std::nullopt;
  }
  std::vector<std::byte> bytes(size);
  ram.read(address, bytes);
  if (fdt_check_full(bytes.data(), bytes.size()) != 0) {
    return std::nullopt;
  }
  return bytes;
}

std::optional<PhysAddr> memory_map_of(std::span<const std::byte> fdt) {
  if (fdt_node_check_compatible(fdt.data(), 0, abi::kCompatible) != 0) {
    return std::nullopt;
  }
  const auto map = u64_property(fdt.data(), 0, abi::kMemoryMapProperty);
  if (!map || *map == 0) {
    return std::nullopt;
  }
  return PhysAddr(*map);
}

linux::Result<FdtBlob> find_blob(std::span<const std::byte> fdt, std::string_view name) {
  const int node = find_node(fdt.data(), name);
  if (node < 0) {
    return linux::fail(Errno::kNoEnt);
  }
  const auto address = u64_property(fdt.data(), node, abi::kDataProperty);
  const auto size = u64_property(fdt.data(), node, abi::kSizeProperty);
  if (!address || !size) {
    return linux::fail(Errno::kInval);
  }
  return FdtBlob{PhysAddr(*address), *size};
}

}  // namespace baton::kho
