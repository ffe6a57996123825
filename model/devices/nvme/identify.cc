#include "model/devices/nvme/identify.h"

#include <algorithm>

#include "model/devices/nvme/registers.h"

namespace baton::devices::nvme {
namespace {

constexpr std::string_view kModel = "baton NVMe controller";
constexpr std::string_view kFirmware = "1.0";
constexpr std::string_view kQualifiedName = "nqn.2014-08.org.nvmexpress:uuid:";

class Builder {
 public:
  Builder& put(std::size_t at, std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) {
      data_[at + i] = static_cast<std::byte>(value >> (8 * i) & 0xFF);
    }
    return *this;
  }
  // ASCII, left justified, padded with spaces [NVMe 1.4, 1.5].
  Builder& text(std::size_t at, std::string_view value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) {
      data_[at + i] = static_cast<std::byte>(i < value.size() ? value[i] : ' ');
    }
    return *this;
  }
  // UTF-8, ended by a null byte.
  Builder& name(std::size_t at, std::string_view value) {
    for (std::size_t i = 0; i < value.size(); ++i) data_[at + i] = static_cast<std::byte>(value[i]);
    return *this;
  }
  IdentifyData done() const { return data_; }

 private:
  IdentifyData data_{};
};

// An id of its own for each serial number [FNV-1a].
std::uint64_t unique_id(std::string_view serial) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : serial) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  }
  return hash;
}

}  // namespace

IdentifyData identify_controller(std::string_view serial) {
  Builder data;
  data.put(0, 0x1B36, 2).put(2, 0x1AF4, 2);
  data.text(4, serial, 20).text(24, kModel, 40).text(64, kFirmware, 8);
  data.put(72, 6, 1);                            // RAB
  data.put(73, 0x525400, 3);                     // IEEE OUI
  data.put(77, kMdts, 1);                        // MDTS
  data.put(80, kVersion, 4);                     // VER
  data.put(258, 3, 1);                           // ACL: four Aborts at a time
  data.put(259, kEventRequestsMax - 1, 1)        // AERL
      .put(260, 0x03, 1);                        // FRMW: one slot, read only
  data.put(266, 0x0157, 2).put(268, 0x0175, 2);  // WCTEMP, CCTEMP: kelvin
  data.put(512, 0x66, 1).put(513, 0x44, 1);      // SQES, CQES: 64 and 16 bytes
  data.put(516, 1, 4);                           // NN
  data.put(525, 1, 1);                           // VWC: present
  data.name(768, kQualifiedName);
  data.name(768 + kQualifiedName.size(), serial);
  data.put(2048, 2500, 2);  // power state 0: 25 W
  return data.done();
}

IdentifyData identify_namespace(std::uint64_t capacity) {
  const std::uint64_t blocks = capacity / kBlockBytes;
  Builder data;
  data.put(0, blocks, 8).put(8, blocks, 8).put(16, blocks, 8);  // NSZE, NCAP, NUSE
  data.put(33, 1, 1);       // DLFEAT: blocks never written read as zeros
  data.put(128 + 2, 9, 1);  // LBAF0.LBADS: 512 bytes
  return data.done();
}

IdentifyData identify_active_namespaces(std::uint32_t after) {
  Builder data;
  if (after < kNamespaceId) data.put(0, kNamespaceId, 4);
  return data.done();
}

IdentifyData identify_descriptors(std::string_view serial) {
  Builder data;
  data.put(0, 1, 1).put(1, 8, 1);  // EUI64, 8 bytes
  data.put(4, unique_id(serial), 8);
  return data.done();
}

IdentifyData health_log() {
  Builder data;
  data.put(1, 313, 2);                // composite temperature, kelvin
  data.put(3, 100, 1).put(4, 10, 1);  // spare, threshold
  return data.done();
}

IdentifyData firmware_log() {
  Builder data;
  data.put(0, 1, 1);  // AFI: slot 1
  data.text(8, kFirmware, 8);
  return data.done();
}

}  // namespace baton::devices::nvme
