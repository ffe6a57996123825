#include "model/linux/iommu/records.h"

#include <cstring>

namespace baton::linux::iommu {

namespace {

template <class T>
void put(std::span<std::byte> bytes, std::size_t offset, const T& value) {
  std::memcpy(bytes.subspan(offset, sizeof(T)).data(), &value, sizeof(T));
}

template <class T>
T get(std::span<const std::byte> bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.subspan(offset, sizeof(T)).data(), sizeof(T));
  return value;
}

void put_header(std::span<std::byte> bytes, const RecordHeader& header) {
  put(bytes, 0, header.ref_count);
  put(bytes, 4, header.flags);
}

RecordHeader get_header(std::span<const std::byte> bytes) {
  return {get<std::uint32_t>(bytes, 0), get<std::uint32_t>(bytes, 4)};
}

}  // namespace

std::array<std::byte, DomainRecord::kBytes> DomainRecord::encode() const {
  std::array<std::byte, kBytes> bytes{};
  put_header(bytes, header);
  put(bytes, 8, top_table.value());
  put(bytes, 16, top_level);
  put(bytes, 24, vasz);
  put(bytes, 28, static_cast<std::uint8_t>(sign_extend ? 1 : 0));
  put(bytes, 29, restored);
  return bytes;
}

DomainRecord DomainRecord::decode(std::span<const std::byte> bytes) {
  DomainRecord record;
  record.header = get_header(bytes);
  record.top_table = PhysAddr(get<std::uint64_t>(bytes, 8));
  record.top_level = get<std::uint64_t>(bytes, 16);
  record.vasz = get<std::uint32_t>(bytes, 24);
  record.sign_extend = (get<std::uint8_t>(bytes, 28) & 1) != 0;
  record.restored = get<std::uint64_t>(bytes, 29);
  return record;
}

std::array<std::byte, DeviceRecord::kBytes> DeviceRecord::encode() const {
  std::array<std::byte, kBytes> bytes{};
  put_header(bytes, header);
  put(bytes, 8, static_cast<std::uint32_t>(address.bdf.value()));
  put(bytes, 12, address.segment);
  put(bytes, 16, attachment_id);
  put(bytes, 24, domain_record.value());
  put(bytes, 32, unit_record.value());
  put(bytes, 40, owner_token);
  put(bytes, 48, pasid_table.value());
  put(bytes, 56, max_pasid);
  return bytes;
}

DeviceRecord DeviceRecord::decode(std::span<const std::byte> bytes) {
  DeviceRecord record;
  record.header = get_header(bytes);
  record.address.bdf = Bdf(static_cast<std::uint16_t>(get<std::uint32_t>(bytes, 8)));
  record.address.segment = get<std::uint32_t>(bytes, 12);
  record.attachment_id = get<std::uint64_t>(bytes, 16);
  record.domain_record = PhysAddr(get<std::uint64_t>(bytes, 24));
  record.unit_record = PhysAddr(get<std::uint64_t>(bytes, 32));
  record.owner_token = get<std::uint64_t>(bytes, 40);
  record.pasid_table = PhysAddr(get<std::uint64_t>(bytes, 48));
  record.max_pasid = get<std::uint64_t>(bytes, 56);
  return record;
}

std::array<std::byte, UnitRecord::kBytes> UnitRecord::encode() const {
  std::array<std::byte, kBytes> bytes{};
  put_header(bytes, header);
  put(bytes, 8, token);
  put(bytes, 16, type);
  put(bytes, 32, registers.value());
  put(bytes, 40, root_table.value());
  put(bytes, 48, context_tables);
  return bytes;
}

UnitRecord UnitRecord::decode(std::span<const std::byte> bytes) {
  UnitRecord record;
  record.header = get_header(bytes);
  record.token = get<std::uint64_t>(bytes, 8);
  record.type = get<std::uint64_t>(bytes, 16);
  record.registers = PhysAddr(get<std::uint64_t>(bytes, 32));
  record.root_table = PhysAddr(get<std::uint64_t>(bytes, 40));
  record.context_tables = get<std::array<std::uint64_t, 8>>(bytes, 48);
  return record;
}

Result<> RecordArray::create(bool preserve) { return add_page(preserve); }

Result<> RecordArray::add_page(bool preserve) {
  const Result<PhysAddr> page = services_.pages().allocate(0, "iommu record array");
  if (!page) {
    return fail(page.error());
  }
  if (preserve) {
    if (auto done = kho_.preserve_folio(*page, 0); !done) {
      services_.pages().free(*page);
      return done;
    }
  }
  if (!pages_.empty()) {
    services_.port().ram().store(pages_.back().address, page->value());
  }
  pages_.push_back({*page, preserve});
  return {};
}

Result<PhysAddr> RecordArray::append(std::span<const std::byte> record) {
  sim::PhysicalMemory& ram = services_.port().ram();
  const std::uint64_t capacity = (sim::kPageSize - kArrayHeaderBytes) / record_bytes_;
  auto count = ram.load<std::uint64_t>(pages_.back().address + 8);
  if (count == capacity) {
    if (auto added = add_page(true); !added) {
      return fail(added.error());
    }
    count = 0;
  }
  const PhysAddr page = pages_.back().address;
  const PhysAddr at = page + kArrayHeaderBytes + count * record_bytes_;
  ram.write(at, record);
  ram.store(page + 8, count + 1);
  return at;
}

void RecordArray::destroy() {
  for (const ArrayPage& page : pages_) {
    if (page.preserved) {
      kho_.unpreserve_folio(page.address, 0);
    }
    services_.pages().free(page.address);
  }
  pages_.clear();
}

std::expected<std::vector<PhysAddr>, std::string> restore_chain(
    KernelServices& services, kho::Kho& kho, PhysAddr head, std::size_t record_bytes,
    const std::function<void(PhysAddr record, std::span<const std::byte> bytes)>& visit) {
  sim::PhysicalMemory& ram = services.port().ram();
  const std::uint64_t capacity = (sim::kPageSize - kArrayHeaderBytes) / record_bytes;
  std::vector<PhysAddr> pages;
  // A chain that bites its own tail ends here too: a page can be restored once only.
  for (PhysAddr page = head; page != PhysAddr{}; page = PhysAddr(ram.load<std::uint64_t>(page))) {
    if (page.page_offset() != 0 || !ram.contains(page, sim::kPageSize) ||
        kho.restore_folio(page) != 0U) {
      return std::unexpected(
          fmt::format("iommu: cannot restore record array at {:#x}", page.value()));
    }
    pages.push_back(page);
    const auto count = ram.load<std::uint64_t>(page + 8);
    if (count > capacity) {
      return std::unexpected(fmt::format("iommu: record array at {:#x} is corrupt", page.value()));
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      const PhysAddr at = page + kArrayHeaderBytes + i * record_bytes;
      const auto flags = ram.load<std::uint32_t>(at + 4);
      if ((flags & kRecordDeleted) != 0) {
        continue;
      }
      ram.store(at + 4, flags | kRecordIncoming);
      std::vector<std::byte> bytes(record_bytes);
      ram.read(at, bytes);
      visit(at, bytes);
    }
  }
  return pages;
}

}  // namespace baton::linux::iommu
