#include "harness/conform/vtd_vectors.h"

#include <fmt/format.h>

namespace baton::harness {

namespace {

constexpr std::uint64_t kRequestBytesMax = 1 << 20;
constexpr std::uint64_t kWordsMax = 1 << 20;
constexpr std::array<std::string_view, 5> kLevels{"must", "may", "deviates", "impl", "unspecified"};

std::string hex(std::uint64_t value) { return fmt::format("{:#x}", value); }

std::string irqs_of(const JsonField& list) {
  std::string result;
  for (const JsonField& irq : list.items()) {
    result += irq_fact(irq.at("dest").number(), irq.at("dest_mode").number(1) != 0,
                       irq.at("delivery_mode").number(7), irq.at("vector").number(255),
                       irq.has("trigger_mode") && irq.at("trigger_mode").number(1) != 0);
  }
  return result;
}

// The results that a step, or the alternative to one, states.
VtdFacts step_facts(const JsonField& source, const VtdStep& step,
                    const iommu_vtd::Profile& profile) {
  VtdFacts facts;
  if (const auto expect = source.maybe("expect")) {
    if (step.op == VtdStep::Op::kRegisterRead) {
      add_register(facts, profile, step, expect->number());
    } else {
      facts["bytes"] = hex_of(expect->bytes());
    }
  }
  if (const auto status = source.maybe("status")) {
    facts["status"] = status->text();
  }
  if (step.op == VtdStep::Op::kDeviceRead && source.has("data")) {
    facts["data"] = hex_of(source.at("data").bytes());
  }
  if (const auto irqs = source.maybe("irqs")) {
    facts["irqs"] = irqs_of(*irqs);
  }
  return facts;
}

VtdFacts final_facts(const JsonField& source) {
  VtdFacts facts;
  for (const char* name : {"GSTS", "FSTS", "FECTL", "IQH", "ICS"}) {
    if (const auto value = source.maybe(name)) {
      facts[name] = hex(value->number());
    }
  }
  if (const auto records = source.maybe("FRCD")) {
    std::size_t index = 0;
    for (const JsonField& record : records->items()) {
      FaultRecordBits bits;
      if (record.at("F").number(1) != 0) {
        bits.low = record.at("FI").number();
        bits.high = std::uint64_t{1} << 63 | record.at("T").number(1) << 62 |
                    record.at("FR").number(0xFF) << 32 | record.at("SID").bdf().value();
      }
      add_fault_record(facts, index++, bits);
    }
  }
  return facts;
}

std::vector<std::uint64_t> words_of(const JsonField& list) {
  std::vector<std::uint64_t> result;
  for (const JsonField& word : list.items()) {
    result.push_back(word.number());
  }
  return result;
}

void read_register_op(const JsonField& source, VtdStep& step, const std::string& op,
                      std::uint64_t block_bytes) {
  step.op = op == "reg_write" ? VtdStep::Op::kRegisterWrite : VtdStep::Op::kRegisterRead;
  step.size = static_cast<unsigned>(source.at("size").number(8));
  step.address = source.at("off").number();
  if (step.size != 4 && step.size != 8) {
    source.at("size").fail("must be 4 or 8");
  } else if (step.address % step.size != 0 || step.address + step.size > block_bytes) {
    source.at("off").fail("must be aligned to the size, and inside the registers");
  }
  if (op == "reg_write") {
    step.value = source.at("value").number();
  } else {
    source.at("expect");
    step.mask = source.has("mask") ? source.at("mask").number() : step.mask;
  }
  const auto reg = source.maybe("reg");
  step.words =
      reg ? fmt::format("{} {}", op, reg->text()) : fmt::format("{} {:#x}", op, step.address);
}

void read_memory_op(const JsonField& source, VtdStep& step, const std::string& op) {
  step.address = source.at("gpa").number();
  step.words = fmt::format("{} {:#x}", op, step.address);
  if (op == "mem_read") {
    step.op = VtdStep::Op::kMemoryRead;
    step.length = source.at("length").number(kRequestBytesMax);
    source.at("expect");
    return;
  }
  step.op = VtdStep::Op::kMemoryWrite;
  step.words64 = words_of(source.at("u64"));
  step.repeat = op == "mem_write_repeat" ? source.at("count").number(kWordsMax) : 1;
  if (step.repeat * step.words64.size() > kWordsMax) {
    source.fail("writes too much");
  }
}

void read_device_op(const JsonField& source, VtdStep& step) {
  const std::string kind = source.at("kind").text();
  step.words = fmt::format("device {} {}", kind, source.at("requester").text());
  if (kind == "msi") {
    step.op = VtdStep::Op::kDeviceMessage;
    step.address = source.at("address").number();
    step.value = source.at("data").number(0xFFFF'FFFF);
  } else if (kind == "write") {
    step.op = VtdStep::Op::kDeviceWrite;
    step.address = source.at("iova").number();
    step.data = source.at("data").bytes();
    step.length = step.data.size();
    if (source.has("length") && source.at("length").number() != step.length) {
      source.at("length").fail("is not the length of data");
    }
  } else if (kind == "read") {
    step.op = VtdStep::Op::kDeviceRead;
    step.address = source.at("iova").number();
    step.length = source.at("length").number(kRequestBytesMax);
    source.at("status");
  } else {
    source.at("kind").fail("must be read, write or msi");
  }
  if (step.address + step.length < step.address || step.length > kRequestBytesMax) {
    source.fail("the request is too long");
  }
}

VtdStep read_step(const JsonField& source, std::uint64_t block_bytes) {
  VtdStep step;
  const std::string op = source.at("op").text();
  step.words = op;
  if (op == "reg_write" || op == "reg_read") {
    read_register_op(source, step, op, block_bytes);
  } else if (op == "mem_write" || op == "mem_write_repeat" || op == "mem_read") {
    read_memory_op(source, step, op);
  } else if (op == "bus_master") {
    step.op = VtdStep::Op::kBusMaster;
    step.enable = source.at("enable").boolean();
  } else if (op == "bridge_renumber") {
    step.op = VtdStep::Op::kBridgeRenumber;
    step.bridge = source.at("bridge").bdf();
    step.secondary = static_cast<unsigned>(source.at("secondary").number(255));
  } else if (op == "device") {
    read_device_op(source, step);
  } else {
    source.at("op").fail(fmt::format("no operation \"{}\"", op));
  }
  const auto requester = source.maybe("requester");
  const auto device = source.maybe("device");
  if (step.op == VtdStep::Op::kBusMaster && !requester && !device) {
    source.fail("names no requester");
  }
  step.requester = requester ? requester->bdf() : Bdf{};
  step.device = device ? device->bdf() : step.requester;
  return step;
}

VtdSpecExpect read_spec_expect(const JsonField& source) {
  VtdSpecExpect expect;
  if (const auto reasons = source.maybe("FR")) {
    for (const JsonField& reason : reasons->items()) {
      expect.reasons.insert(hex(reason.number(0xFF)));
    }
  }
  if (const auto recorded = source.maybe("recorded")) {
    expect.recorded = recorded->boolean();
  }
  if (const auto delivered = source.maybe("delivered")) {
    expect.delivered = delivered->boolean();
  }
  return expect;
}

// Steps first: what the alternatives state is read by the step it belongs to.
void read_results(const JsonField& source, VtdVector& vector, const iommu_vtd::Profile& profile) {
  const JsonField conformance = source.at("conformance");
  const std::string level = conformance.at("level").text();
  const auto known = std::ranges::find(kLevels, level);
  if (known == kLevels.end()) {
    conformance.at("level").fail(fmt::format("no level \"{}\"", level));
    return;
  }
  vector.level = static_cast<VtdLevel>(known - kLevels.begin());
  vector.has_prose = conformance.has("alternative");
  if (const auto expect = conformance.maybe("spec_expect")) {
    vector.expect = read_spec_expect(*expect);
  }
  const auto alternatives = conformance.maybe("alt_results");
  if (!alternatives) {
    return;
  }
  vector.has_alternative = true;
  if (const auto steps = alternatives->maybe("steps")) {
    for (const auto& [key, facts] : steps->members()) {
      const bool number = !key.empty() && key.size() < 7 &&
                          std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; });
      const std::size_t index = number ? std::stoul(key) : vector.steps.size();
      if (index >= vector.steps.size()) {
        facts.fail("there is no such step");
        return;
      }
      vector.steps[index].alternative = step_facts(facts, vector.steps[index], profile);
    }
  }
  if (const auto facts = alternatives->maybe("final")) {
    vector.alternative = final_facts(*facts);
  }
}

std::vector<VtdMemory> read_memory(const JsonField& source) {
  std::vector<VtdMemory> result;
  for (const JsonField& range : source.items()) {
    VtdMemory memory{range.at("gpa").number(), {}};
    if (range.has("hex")) {
      memory.bytes = range.at("hex").bytes();
    } else {
      const std::vector<std::uint64_t> words = words_of(range.at("u64"));
      const auto bytes = std::as_bytes(std::span(words));
      memory.bytes.assign(bytes.begin(), bytes.end());
    }
    result.push_back(std::move(memory));
  }
  return result;
}

// The unit that a vector was measured on, from its capability registers.
iommu_vtd::Profile read_profile(const JsonField& source) {
  iommu_vtd::Profile profile;
  profile.name = "measured";
  profile.version = static_cast<std::uint32_t>(source.at("VER").number(0xFFFF'FFFF));
  profile.cap = source.at("CAP").number();
  profile.ecap = source.at("ECAP").number();
  profile.host_address_width = profile.guest_address_bits();
  // Version 1.0 follows the old rule for bit 62; RID_PASID is honoured without RPS.
  profile.paging_cache_entries = 0;  // it reads every level
  profile.transient_mapping_bit = true;
  profile.rid_pasid_without_rps = true;
  constexpr std::uint64_t kFixedBytes = 0xC0;
  const std::uint64_t fault = profile.fault_record_offset();
  const std::uint64_t fault_end = fault + profile.fault_records() * std::uint64_t{16};
  const std::uint64_t iotlb = profile.iotlb_offset();
  if (fault < kFixedBytes || iotlb < kFixedBytes || (iotlb < fault_end && fault < iotlb + 16)) {
    source.at("CAP").fail("puts registers over each other");
  }
  if (profile.guest_address_bits() < 30 || profile.guest_address_bits() > 57 ||
      iommu_vtd::Profile::bits(profile.cap, 11, 9) == 0) {
    source.at("CAP").fail("has an address width that no unit has");
  }
  if (iommu_vtd::Profile::bits(profile.cap, 2, 0) == 7) {
    source.at("CAP").fail("has a reserved number of domains");
  }
  return profile;
}

std::uint64_t block_bytes(const iommu_vtd::Profile& profile) {
  const std::uint64_t end =
      std::max(profile.fault_record_offset() + profile.fault_records() * std::uint64_t{16},
               profile.iotlb_offset() + 16);
  return (end + 0xFFF) / 0x1000 * 0x1000;
}

VtdVector read_vector(const JsonField& source, const VtdVectors& all) {
  VtdVector vector;
  vector.name = source.at("name").text();
  vector.category = source.at("category").text();
  vector.config = source.at("config").text();
  const auto config = all.configs.find(vector.config);
  if (config == all.configs.end()) {
    source.at("config").fail(fmt::format("no config \"{}\"", vector.config));
    return vector;
  }
  const iommu_vtd::Profile& profile = config->second;
  if (const auto memory = source.maybe("memory")) {
    vector.memory = read_memory(*memory);
  }
  for (const JsonField& item : source.at("steps").items()) {
    VtdStep step = read_step(item, block_bytes(profile));
    step.recorded = step_facts(item, step, profile);
    vector.steps.push_back(std::move(step));
  }
  read_results(source, vector, profile);
  vector.recorded = final_facts(source.at("final"));
  return vector;
}

}  // namespace

std::string_view name(VtdLevel level) { return kLevels[static_cast<std::size_t>(level)]; }

std::string irq_fact(std::uint64_t destination, bool logical, std::uint64_t delivery_mode,
                     std::uint64_t vector, bool level_triggered) {
  return fmt::format("[dest {} {} mode {} vector {:#x} {}]", destination,
                     logical ? "logical" : "physical", delivery_mode, vector,
                     level_triggered ? "level" : "edge");
}

void add_fault_record(VtdFacts& facts, std::size_t index, FaultRecordBits record) {
  const auto fact = [&](const char* field) -> std::string& {
    return facts[fmt::format("FRCD[{}].{}", index, field)];
  };
  const bool recorded = record.high >> 63 != 0;
  fact("F") = std::to_string(recorded ? 1 : 0);
  if (recorded) {
    fact("T") = std::string((record.high >> 62 & 1) != 0 ? "read" : "write");
    fact("FR") = hex(record.high >> 32 & 0xFF);
    fact("SID") = sim::to_string(Bdf(static_cast<std::uint16_t>(record.high)));
    fact("FI") = hex(record.low);
  }
}

void add_register(VtdFacts& facts, const iommu_vtd::Profile& profile, const VtdStep& step,
                  std::uint64_t value) {
  constexpr std::uint64_t kCounting = 0xC000'0000'0000'FFFF;  // F, T1, SID of the upper half
  constexpr std::uint64_t kReason = 0x0000'00FF'0000'0000;
  const std::uint64_t start = profile.fault_record_offset();
  const std::uint64_t end = start + profile.fault_records() * std::uint64_t{16};
  const std::uint64_t within = step.address - start;
  if (step.address >= start && step.address < end && within % 16 >= 8) {
    const unsigned shift = within % 16 == 12 ? 32 : 0;
    const std::uint64_t reason = kReason >> shift & (step.size == 8 ? ~0ULL : 0xFFFF'FFFFULL);
    if (reason != 0) {
      facts["value.FR"] = hex((value & reason) >> (32 - shift));
    }
    value &= kCounting >> shift & (step.size == 8 ? ~0ULL : 0xFFFF'FFFFULL);
  }
  facts["value"] = hex(value);
}

std::expected<VtdVectors, std::string> read_vtd_vectors(const std::string& file,
                                                        const boost::json::value& document) {
  std::string error;
  const JsonField root(document, error);
  VtdVectors result;
  const std::string format = root.at("format").text();
  if (error.empty() && format != "baton-vtd-vectors-1") {
    root.at("format").fail(fmt::format("\"{}\" is not baton-vtd-vectors-1", format));
  }
  for (const auto& [key, config] : root.at("configs").members()) {
    result.configs[key] = read_profile(config);
  }
  for (const JsonField& item : root.at("vectors").items()) {
    if (!error.empty()) {
      break;
    }
    result.vectors.push_back(read_vector(item, result));
  }
  if (!error.empty()) {
    return std::unexpected(fmt::format("{}: {}", file, error));
  }
  return result;
}

std::expected<VtdVectors, std::string> load_vtd_vectors(const std::string& file) {
  const auto document = load_json(file);
  return document ? read_vtd_vectors(file, *document) : std::unexpected(document.error());
}

}  // namespace baton::harness
