#include "model/iommufd/records.h"

#include <cstring>
#include <set>

#include "model/linux/uapi/iommufd.h"
#include "sim/memory.h"

namespace baton::iommufd {

namespace {

constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kIoasBytes = 16;
constexpr std::size_t kAreaBytes = 40;
constexpr std::size_t kHwptBytes = 16;
constexpr std::size_t kDeviceBytes = 16;
constexpr std::uint32_t kAutomatic = 1;

class Writer {
 public:
  void u32(std::uint32_t value) { append(value); }
  void u64(std::uint64_t value) { append(value); }
  void zero(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      bytes_.push_back(std::byte{0});
    }
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  template <class T>
  void append(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      bytes_.push_back(static_cast<std::byte>(value >> (8 * i) & 0xFF));
    }
  }
  std::vector<std::byte> bytes_;
};

// Reads forward; the caller has checked the length.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint32_t u32() { return take<std::uint32_t>(); }
  std::uint64_t u64() { return take<std::uint64_t>(); }
  void skip(std::size_t count) { bytes_ = bytes_.subspan(count); }
  std::size_t left() const { return bytes_.size(); }

 private:
  template <class T>
  T take() {
    T value;
    std::memcpy(&value, bytes_.first(sizeof(T)).data(), sizeof(T));
    skip(sizeof(T));
    return value;
  }
  std::span<const std::byte> bytes_;
};

std::uint64_t fixed_bytes(std::uint64_t ioas, std::uint64_t areas, std::uint64_t hwpts) {
  return kHeaderBytes + ioas * kIoasBytes + areas * kAreaBytes + hwpts * kHwptBytes;
}

bool whole_pages(std::uint64_t value) { return value % sim::kPageSize == 0; }

// Ids as the object table gives them, no two alike; areas that a map request could have made; and
// references that lead somewhere.
bool plausible(const Contents& contents) {
  std::set<std::uint32_t> ids;
  std::set<std::uint32_t> ioas_ids;
  std::set<std::uint32_t> hwpt_ids;
  const auto fresh = [&](std::uint32_t id) {
    return id != 0 && id <= INT32_MAX && ids.insert(id).second;
  };
  std::uint64_t areas = 0;
  for (const auto& ioas : contents.ioas) {
    if (!fresh(ioas.id)) {
      return false;
    }
    ioas_ids.insert(ioas.id);
    areas += ioas.areas;
  }
  for (const auto& area : contents.areas) {
    if (area.length == 0 || !whole_pages(area.iova) || !whole_pages(area.length) ||
        !whole_pages(area.offset) || area.iova > UINT64_MAX - (area.length - 1) ||
        area.offset > UINT64_MAX - (area.length - 1) || !(area.read || area.write)) {
      return false;
    }
  }
  for (const auto& hwpt : contents.hwpts) {
    if (!fresh(hwpt.id) || !ioas_ids.contains(hwpt.ioas_id)) {
      return false;
    }
    hwpt_ids.insert(hwpt.id);
  }
  for (const auto& device : contents.devices) {
    if (!fresh(device.id) || !hwpt_ids.contains(device.hwpt_id)) {
      return false;
    }
  }
  return areas == contents.areas.size();
}

}  // namespace

std::vector<std::byte> encode(const HwptRecords& records) {
  Writer out;
  out.u64(records.size());
  for (const HwptRecord& record : records) {
    out.u64(record.domain.value());
    out.u64(record.token);
    out.zero(8);  // reclaimed = 0
  }
  return out.take();
}

std::optional<HwptRecords> decode_hwpts(std::span<const std::byte> bytes) {
  if (bytes.size() < 8) {
    return std::nullopt;
  }
  Reader in(bytes);
  const std::uint64_t count = in.u64();
  if (count > in.left() / kHwptRecordBytes) {
    return std::nullopt;
  }
  HwptRecords records;
  for (std::uint64_t i = 0; i < count; ++i) {
    HwptRecord record;
    record.domain = PhysAddr(in.u64());
    record.token = in.u64();
    in.skip(8);
    records.push_back(record);
  }
  return records;
}

std::array<std::byte, 16> encode_device(const Contents::BoundDevice& device) {
  const std::array<std::uint32_t, 4> words{device.id, device.hwpt_id, device.address.segment,
                                           device.address.bdf.value()};
  std::array<std::byte, 16> bytes{};
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

std::uint64_t device_slot_offset(const Contents& contents, std::size_t slot) {
  return fixed_bytes(contents.ioas.size(), contents.areas.size(), contents.hwpts.size()) +
         slot * kDeviceBytes;
}

std::vector<std::byte> Contents::encode() const {
  Writer out;
  out.u64(token);
  out.u32(static_cast<std::uint32_t>(ioas.size()));
  out.u32(static_cast<std::uint32_t>(areas.size()));
  out.u32(static_cast<std::uint32_t>(hwpts.size()));
  out.u32(kDeviceSlots);
  out.zero(kHeaderBytes - 24);
  for (const AddressSpace& space : ioas) {
    out.u32(space.id);
    out.u32(space.areas);
    out.zero(8);
  }
  for (const MappedArea& area : areas) {
    out.u64(area.iova);
    out.u64(area.length);
    out.u64(area.memfd_token);
    out.u64(area.offset);
    out.u32((area.read ? linux::uapi::kIoasMapReadable : 0) |
            (area.write ? linux::uapi::kIoasMapWriteable : 0));
    out.u32(area.region ? *area.region + 1 : 0);
  }
  for (const PageTable& hwpt : hwpts) {
    out.u32(hwpt.id);
    out.u32(hwpt.ioas_id);
    out.u32(hwpt.automatic ? kAutomatic : 0);
    out.zero(4);
  }
  out.zero(kDeviceSlots * kDeviceBytes);
  return out.take();
}

std::optional<Contents> Contents::decode(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeaderBytes) {
    return std::nullopt;
  }
  Reader in(bytes);
  Contents contents;
  contents.token = in.u64();
  const std::uint32_t ioas = in.u32();
  const std::uint32_t areas = in.u32();
  const std::uint32_t hwpts = in.u32();
  const std::uint32_t slots = in.u32();
  in.skip(kHeaderBytes - 24);
  if (fixed_bytes(ioas, areas, hwpts) + std::uint64_t{slots} * kDeviceBytes > bytes.size()) {
    return std::nullopt;
  }
  for (std::uint32_t i = 0; i < ioas; ++i) {
    AddressSpace space;
    space.id = in.u32();
    space.areas = in.u32();
    in.skip(8);
    contents.ioas.push_back(space);
  }
  for (std::uint32_t i = 0; i < areas; ++i) {
    MappedArea area;
    area.iova = in.u64();
    area.length = in.u64();
    area.memfd_token = in.u64();
    area.offset = in.u64();
    const std::uint32_t access = in.u32();
    if (const std::uint32_t region = in.u32(); region != 0) area.region = region - 1;
    area.read = (access & linux::uapi::kIoasMapReadable) != 0;
    area.write = (access & linux::uapi::kIoasMapWriteable) != 0;
    contents.areas.push_back(area);
  }
  for (std::uint32_t i = 0; i < hwpts; ++i) {
    PageTable hwpt;
    hwpt.id = in.u32();
    hwpt.ioas_id = in.u32();
    hwpt.automatic = (in.u32() & kAutomatic) != 0;
    in.skip(4);
    contents.hwpts.push_back(hwpt);
  }
  for (std::uint32_t i = 0; i < slots; ++i) {
    BoundDevice device;
    device.id = in.u32();
    device.hwpt_id = in.u32();
    device.address.segment = in.u32();
    device.address.bdf = Bdf(static_cast<std::uint16_t>(in.u32()));
    if (device.id != 0) {
      contents.devices.push_back(device);
    }
  }
  return plausible(contents) ? std::optional(contents) : std::nullopt;
}

}  // namespace baton::iommufd
