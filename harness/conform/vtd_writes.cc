#include "harness/conform/vtd_writes.h"

#include <fmt/format.h>

#include <charconv>

namespace baton::harness {

namespace {

// Registers [VT-d 11.4].
constexpr std::uint64_t kGcmd = 0x18;
constexpr std::uint64_t kRtaddr = 0x20;
constexpr std::uint64_t kFsts = 0x34;
constexpr std::uint64_t kFedata = 0x3C;
constexpr std::uint64_t kFeaddr = 0x40;
constexpr std::uint64_t kFeuaddr = 0x44;
constexpr std::uint64_t kIqt = 0x88;
constexpr std::uint64_t kIqa = 0x90;
constexpr std::uint64_t kIrta = 0xB8;
constexpr std::uint64_t kFields = 0xFFF;
constexpr std::uint64_t kTe = 1U << 31;
constexpr std::uint64_t kWide = 1U << 11;      // IQA.DW
constexpr std::uint64_t kExtended = 1U << 11;  // IRTA.EIME
constexpr std::uint64_t kScalable = 1U << 10;  // RTADDR.TTM

// Of the emulator that the records come from, by what its options add.
constexpr std::uint64_t kCap = 0x00D2'008C'2226'0206;
constexpr std::uint64_t kEcapPlain = 0xF42;
constexpr std::uint64_t kEcapInterrupts = 0xF0'0008;
constexpr std::uint64_t kEcapExtended = 0x10;
constexpr std::uint64_t kEcapScalable = 0x4800'8000'0000;

std::string named(const char* name, std::uint64_t value) {
  return fmt::format("{} = <address> | {:#x}", name, value & kFields);
}

// Turns writes into the words of the comparison, one by one.
class Words {
 public:
  void add(const RegisterWrite& write) {
    switch (write.offset) {
      case kIqt:
        add_tail(write.value);
        return;
      case kIqa:
        queue_bytes_ = (write.value & kWide ? 8192ULL : 4096ULL) << (write.value & 7) >>
                       (write.value & kWide ? 1 : 0);
        descriptor_bytes_ = write.value & kWide ? 32 : 16;
        tail_ = 0;
        words_.push_back(named("IQA", write.value));
        return;
      case kIrta:
        words_.push_back(named("IRTA", write.value));
        return;
      case kRtaddr:
        words_.push_back(named("RTADDR", write.value));
        flushes_ = (write.value & kScalable) != 0 ? 3 : 2;
        between_ = false;
        return;
      case kFedata:
      case kFeaddr:
      case kFeuaddr:
        words_.push_back(fmt::format("{:#x} = <message>", write.offset));
        return;
      default:
        words_.push_back(
            fmt::format("{:#x} ({} bytes) = {:#x}", write.offset, write.bytes, write.value));
        between_ = between_ || write.offset == kFsts;
    }
  }
  std::vector<std::string> take() { return std::move(words_); }

 private:
  void add_tail(std::uint64_t tail) {
    if (tail == 0 && tail_ == 0) {
      words_.emplace_back("IQT = 0");
      return;
    }
    const std::uint64_t bytes = (tail + queue_bytes_ - tail_) % queue_bytes_;
    tail_ = tail;
    if (between_ || (flushes_ && *flushes_ == 0)) {
      return;
    }
    if (flushes_) {
      --*flushes_;
    }
    words_.push_back(fmt::format("IQT + {} descriptors", bytes / descriptor_bytes_));
  }

  std::vector<std::string> words_;
  std::uint64_t tail_ = 0;
  std::uint64_t queue_bytes_ = 4096;
  std::uint64_t descriptor_bytes_ = 16;
  bool between_ = false;             // fault event set up, no root pointer yet
  std::optional<unsigned> flushes_;  // invalidations that the root pointer still asks for
};

// "w 0x88 4 0x20"; other events of the record are not writes.
std::optional<RegisterWrite> parse_write(const JsonField& field) {
  const std::string text = field.text();
  if (!text.starts_with("w ")) {
    return std::nullopt;
  }
  RegisterWrite write;
  std::array<std::uint64_t, 3> numbers{};
  const char* at = text.data() + 2;
  const char* const end = text.data() + text.size();
  for (std::uint64_t& number : numbers) {
    while (at != end && *at == ' ') ++at;
    const bool hex = end - at > 2 && at[0] == '0' && at[1] == 'x';
    const auto [next, error] = std::from_chars(hex ? at + 2 : at, end, number, hex ? 16 : 10);
    if (error != std::errc{}) {
      field.fail("must be \"w 0xOFFSET SIZE 0xVALUE\"");
      return std::nullopt;
    }
    at = next;
  }
  write.offset = numbers[0];
  write.bytes = static_cast<unsigned>(numbers[1]);
  write.value = numbers[2];
  return write;
}

std::vector<RegisterWrite> writes_of(const JsonField& phases, std::string_view name) {
  std::vector<RegisterWrite> result;
  const auto phase = phases.maybe(name);
  if (!phase) {
    return result;
  }
  for (const JsonField& context : phase->items()) {
    for (const JsonField& access : context.at("accesses").items()) {
      const std::vector<JsonField> parts = access.items();
      if (parts.size() == 2 && parts[0].text() == "vtd") {
        if (const auto write = parse_write(parts[1])) {
          result.push_back(*write);
        }
      }
    }
  }
  return result;
}

// The unit and the command line that such writes come from.
void recognise(WritesRecord& record) {
  iommu_vtd::Profile& unit = record.config.unit;
  unit.name = "measured";
  unit.version = 0x10;
  unit.cap = kCap;
  unit.ecap = kEcapPlain;
  unit.host_address_width = unit.guest_address_bits();
  unit.paging_cache_entries = 0;
  unit.transient_mapping_bit = true;
  unit.rid_pasid_without_rps = true;
  record.config.interrupt_remapping = false;
  for (const RegisterWrite& write : record.cold) {
    if (write.offset == kIqa && (write.value & kWide) != 0) unit.ecap |= kEcapScalable;
    if (write.offset == kIrta) {
      record.config.interrupt_remapping = true;
      unit.ecap |= kEcapInterrupts;
      if ((write.value & kExtended) != 0) unit.ecap |= kEcapExtended;
    }
    if (write.offset == kRtaddr && (write.value & kScalable) != 0) record.config.scalable = true;
  }
  // A kernel that shuts down turns translation off; one that crashes writes nothing.
  record.config.crash = std::ranges::none_of(record.shutdown, [](const RegisterWrite& write) {
    return write.offset == kGcmd && (write.value & kTe) == 0;
  });
}

std::size_t common(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (const std::string& word : a) {
    std::size_t diagonal = 0;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = word == b[j - 1] ? diagonal + 1 : std::max(row[j], row[j - 1]);
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

std::vector<std::string> compared_writes(const std::vector<RegisterWrite>& writes) {
  Words words;
  for (const RegisterWrite& write : writes) {
    words.add(write);
  }
  return words.take();
}

std::expected<WritesRecord, std::string> read_vtd_writes(const std::string& file,
                                                         const boost::json::value& document) {
  std::string error;
  const JsonField root(document, error);
  WritesRecord record;
  record.name = root.at("topology").text();
  const JsonField phases = root.at("runs").at("plain").at("phases");
  record.cold = writes_of(phases, "linux_cold_enum");
  record.shutdown = writes_of(phases, "kexec_machine_kexec");
  record.next = writes_of(phases, "linux_kexec_enum");
  if (error.empty() && record.cold.empty()) {
    phases.fail("has no writes to a remapping unit in linux_cold_enum");
  }
  if (!error.empty()) {
    return std::unexpected(fmt::format("{}: {}", file, error));
  }
  recognise(record);
  return record;
}

std::expected<WritesResult, std::string> judge_vtd_writes(const WritesRecord& record) {
  const auto model = run_iommu_boots(record.config);
  if (!model) {
    return std::unexpected(
        fmt::format("{}: the model's kernel stops: {}", record.name, model.error()));
  }
  WritesResult result;
  result.name = record.name;
  result.mode = fmt::format("{}{}{}", record.config.scalable ? "scalable" : "legacy",
                            record.config.interrupt_remapping ? ", interrupt remapping" : "",
                            record.config.crash ? ", crash" : "");
  const auto phase = [&](const char* name, const std::vector<RegisterWrite>& recorded,
                         const std::vector<RegisterWrite>& seen) {
    WritesPhase row{name, compared_writes(recorded), compared_writes(seen), 0};
    row.equal = common(row.recorded, row.model);
    result.phases.push_back(std::move(row));
  };
  phase("cold boot", record.cold, model->cold);
  phase("shutdown", record.shutdown, model->shutdown);
  phase("next boot", record.next, model->next);
  return result;
}

std::size_t WritesResult::equal() const {
  std::size_t sum = 0;
  for (const WritesPhase& phase : phases) sum += phase.equal;
  return sum;
}

std::size_t WritesResult::total() const {
  std::size_t sum = 0;
  for (const WritesPhase& phase : phases) {
    sum += std::max(phase.recorded.size(), phase.model.size());
  }
  return sum;
}

std::string text(const WritesResult& result, bool verbose) {
  std::string out = fmt::format("{} ({}): {} of {} writes equal\n", result.name, result.mode,
                                result.equal(), result.total());
  for (const WritesPhase& phase : result.phases) {
    const std::size_t longer = std::max(phase.recorded.size(), phase.model.size());
    out += fmt::format("  {:<10} {:>3} of {:>3}\n", phase.name, phase.equal, longer);
    if (!verbose || phase.equal == longer) continue;
    for (std::size_t i = 0; i < longer; ++i) {
      const std::string recorded = i < phase.recorded.size() ? phase.recorded[i] : "";
      const std::string model = i < phase.model.size() ? phase.model[i] : "";
      out += fmt::format("    {} {:<36} {}\n", recorded == model ? ' ' : '*', recorded, model);
    }
  }
  return out;
}

}  // namespace baton::harness
