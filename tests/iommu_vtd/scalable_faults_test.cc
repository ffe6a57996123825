// Each fault of scalable mode: its reason, its record, and whether FPD keeps it out of the log
// [VT-d 7.1.3]; what each PASID-based descriptor drops [VT-d 6.5.2].
#include "model/iommu_vtd/reasons.h"
#include "tests/iommu_vtd/scalable_fixture.h"

using namespace baton;
using namespace baton::iommu_vtd;
using test::Offset;
using test::ScalableFixture;
using F = ScalableFixture;

namespace {

// One change to the fixture's tables, and what a request gets then.
struct Case {
  unsigned reason;
  const char* what;
  std::function<void(F&)> change;
  F::Ask ask{};
};

constexpr std::uint64_t kTooHigh = 1ULL << 52;

std::vector<Case> structure_cases() {
  const auto nothing = [](F&) {};
  return {
      {0x30, "reserved table mode", [](F& t) { t.set_root(F::kRoot | 0x800); }},
      {0x38, "root table not backed", [](F& t) { t.set_root(F::kNowhere | 0x400); }},
      {0x39, "root entry absent", [](F& t) { t.put(F::kRoot, 0); }},
      {0x3A, "root entry reserved bit", [](F& t) { t.put(F::kRoot, F::kScalableContexts | 3); }},
      {0x3A, "root entry beyond the host width",
       [](F& t) { t.put(F::kRoot, F::kScalableContexts | kTooHigh | 1); }},
      {0x40, "context table not backed", [](F& t) { t.put(F::kRoot, F::kNowhere | 1); }},
      {0x41, "context entry absent", [](F& t) { t.put(t.context(), 0); }},
      {0x42, "context entry reserved bit", [](F& t) { t.put(t.context(), F::kDirectory | 0x3D); }},
      {0x42, "context entry reserved word", [](F& t) { t.put(t.context() + 16, 1); }},
      {0x44,
       "translation request without DTE",
       [](F& t) { t.put(t.context(), F::kDirectory | 0x19); },
       {.type = pci::AddressType::kTranslationRequest}},
      {0x44,
       "translated request without DTE",
       [](F& t) { t.put(t.context(), F::kDirectory | 0x19); },
       {.type = pci::AddressType::kTranslated}},
      {0x45, "PASID without PASIDE", [](F& t) { t.put(t.context(), F::kDirectory | 0x15); }, {1}},
      {0x46, "PASID beyond the directory", nothing, {0x2000}},
      {0x48, "RID_PASID beyond the directory", [](F& t) { t.put(t.context() + 8, 0x2000); }},
      {0x50, "directory not backed", [](F& t) { t.put(t.context(), F::kNowhere | 0x1D); }},
      {0x51, "directory entry absent", [](F& t) { t.put(F::kDirectory, 0); }},
      {0x52, "directory entry reserved bit", [](F& t) { t.put(F::kDirectory, F::kPasids | 5); }},
      {0x58, "PASID table not backed", [](F& t) { t.put(F::kDirectory, F::kNowhere | 1); }},
      {0x59, "PASID entry absent", [](F& t) { t.put(F::pasid_at(0), 0); }},
      {0x5A, "PASID entry reserved bit",
       [](F& t) { t.put(F::pasid_at(0), F::kPml4 | 0x489 | 1 << 10); }},
      {0x5A, "PASID entry reserved word", [](F& t) { t.put(F::pasid_at(0) + 24, 1); }},
      {0x5B, "translation type 0", [](F& t) { t.put(F::pasid_at(0), 1); }},
      {0x5B, "translation type 5", [](F& t) { t.put(F::pasid_at(0), 5 << 6 | 1); }},
      {0x5B, "second stage with 3 levels",
       [](F& t) { t.put(F::pasid_at(0), F::kPml4 | 2 << 6 | 1 << 2 | 1); }},
      {0x5B,
       "first stage with mode 2",
       [](F& t) { t.put(F::pasid_at(1) + 16, F::kFirst4 | 2 << 2); },
       {1}},
      {0x5D, "supervisor request without SRE", [](F& t) { t.put(t.context() + 8, 1 << 20); }},
      {0x83, "pass-through beyond the host width", nothing, {3, kTooHigh}},
      {0x83,
       "translated beyond the host width",
       nothing,
       {std::nullopt, kTooHigh, false, pci::AddressType::kTranslated}},
      {0x87, "pass-through to an interrupt address", nothing, {3, 0xFEE0'0000}},
  };
}

std::vector<Case> first_stage_cases() {
  const auto nothing = [](F&) {};
  const auto leaf = F::kFirst1 + 40;
  return {
      {0x70, "table not backed", [](F& t) { t.put(F::kFirst4, F::kNowhere | 7); }, {1}},
      {0x71, "absent", nothing, {1, 0x6000}},
      {0x72, "PS in the top table", [](F& t) { t.put(F::kFirst4, F::kFirst3 | 0x87); }, {1}},
      {0x72, "XD without NXE", [=](F& t) { t.put(leaf, F::kFirstTarget | 7 | 1ULL << 63); }, {1}},
      {0x72, "2 MiB page not aligned", [](F& t) { t.put(F::kFirst2, 0x2100'2087); }, {1}},
      {0x73, "top table not backed", [](F& t) { t.put(F::pasid_at(1) + 16, F::kNowhere); }, {1}},
      {0x74,
       "nested: table beyond the second stage",
       [](F& t) { t.put(F::kFirst4, 1ULL << 48 | 7); },
       {2}},
      {0x75,
       "nested: top table not readable",
       [](F& t) { t.put(F::pasid_at(2) + 16, F::kUnmapped); },
       {2}},
      {0x76, "nested: table not readable", [](F& t) { t.put(F::kFirst4, F::kUnmapped | 7); }, {2}},
      {0x77, "nested: accessed bit not writable", [](F& t) { t.put(F::kOuter3, 0x81); }, {2}},
      {0x78,
       "nested: outer table not backed",
       [](F& t) { t.put(F::kOuter4, F::kNowhere | 3); },
       {2}},
      {0x79, "nested: page not permitted", [=](F& t) { t.put(leaf, F::kUnmapped | 7); }, {2}},
      {0x80, "not canonical", nothing, {1, 1ULL << 47}},
      {0x81, "supervisor page", [=](F& t) { t.put(leaf, F::kFirstTarget | 3); }, {1}},
      {0x84,
       "nested: page beyond the second stage",
       [=](F& t) { t.put(leaf, 1ULL << 48 | 7); },
       {2}},
      {0x85,
       "read-only, write",
       [=](F& t) { t.put(leaf, F::kFirstTarget | 5); },
       {1, 0x5000, true}},
      {0x87, "page is an interrupt address", [=](F& t) { t.put(leaf, 0xFEE0'0007); }, {1}},
  };
}

std::vector<Case> second_stage_cases() {
  const auto nothing = [](F&) {};
  return {
      {0x78, "table not backed", [](F& t) { t.put(F::kPdpt, F::kNowhere | 3); }},
      {0x7A, "leaf bit 62", [](F& t) { t.put(F::kPt + 40, F::kTarget | 3 | 1ULL << 62); }},
      {0x7A, "PS in the top table", [](F& t) { t.put(F::kPml4, F::kPdpt | 0x83); }},
      {0x7B, "top table not backed",
       [](F& t) { t.put(F::pasid_at(0), F::kNowhere | 2 << 6 | 2 << 2 | 1); }},
      {0x84, "beyond the tables", nothing, {std::nullopt, 1ULL << 48}},
      {0x85, "absent, write", nothing, {std::nullopt, 0x6000, true}},
      {0x85,
       "read-only, write",
       [](F& t) { t.put(F::kPt + 40, F::kTarget | 1); },
       {std::nullopt, 0x5000, true}},
      {0x86, "absent, read", nothing, {std::nullopt, 0x6000}},
      {0x86, "write-only, read", [](F& t) { t.put(F::kPt + 40, F::kTarget | 2); }},
      {0x87, "page is an interrupt address", [](F& t) { t.put(F::kPt + 40, 0xFEE0'0003); }},
  };
}

void check(const std::vector<Case>& cases) {
  for (const Case& item : cases) {
    INFO(fmt::format("{:#x} {}", item.reason, item.what));
    for (const bool disabled : {false, true}) {
      F t;
      item.change(t);
      if (disabled) {
        t.put(t.context(), t.memory.load<std::uint64_t>(PhysAddr(t.context())) | 2);
      }
      const Translation seen = t.ask(item.ask);
      CHECK_FALSE(seen.allowed);
      CHECK(unsigned{seen.fault_reason} == item.reason);
      const bool silent = disabled && is_qualified(static_cast<Reason>(item.reason));
      CHECK(t.has_record() == !silent);
      REQUIRE(t.faults.size() == 1);
      CHECK(t.faults[0].recorded == !silent);
      if (silent) continue;
      CHECK(t.recorded_reason() == item.reason);
      CHECK(t.read64(Offset::kFrcd) == (item.ask.iova & ~0xFFFULL));
      const std::uint64_t high = t.read64(Offset::kFrcd + 8);
      CHECK((high >> 31 & 1) == (item.ask.pasid ? 1 : 0));  // PP
      CHECK((high >> 40 & 0xF'FFFF) == item.ask.pasid.value_or(0));
      CHECK((high >> 62 & 1) == (item.ask.write ? 0 : 1));  // T1
      CHECK((high >> 60 & 3) == static_cast<unsigned>(item.ask.type));
    }
  }
}

}  // namespace

TEST_CASE("each fault of the structures of scalable mode has its reason") {
  check(structure_cases());
}

TEST_CASE("each fault of the first stage and of nesting has its reason") {
  check(first_stage_cases());
}

TEST_CASE("each fault of the second stage in scalable mode has its reason") {
  check(second_stage_cases());
}

TEST_CASE("the four translation types of scalable mode arrive where their tables say") {
  F t;
  CHECK(t.ask({}).address == PhysAddr(F::kTarget));
  CHECK(t.ask({1}).address == PhysAddr(F::kFirstTarget));
  CHECK(t.ask({2}).address == PhysAddr(F::kFirstTarget));
  CHECK(t.ask({3}).address == PhysAddr(0x5000));
  CHECK(t.ask({2, 0x5040, true}).address == PhysAddr(F::kFirstTarget + 0x40));
  CHECK(t.faults.empty());
  // Accessed and dirty bits of the first stage.
  CHECK(t.memory.load<std::uint64_t>(PhysAddr(F::kFirst1 + 40)) == (F::kFirstTarget | 0x67));
}

TEST_CASE("accessed and dirty bits are set in snooped memory alone") {
  constexpr std::uint64_t kSsade = 1 << 9;
  const auto leaf = F::kFirst1 + 40;
  const auto not_snooped = [](F& t, unsigned pasid) {
    t.put(F::pasid_at(pasid) + 8,
          t.memory.load<std::uint64_t>(PhysAddr(F::pasid_at(pasid) + 8)) & ~F::kSnooped);
  };
  check({
      {0x90, "first stage, accessed", [&](F& t) { not_snooped(t, 1); }, {1}},
      {0x7C, "second stage, accessed",
       [&](F& t) {
         t.put(F::pasid_at(0), F::kPml4 | 2 << 6 | 2 << 2 | 1 | kSsade);
         not_snooped(t, 0);
       }},
      {0x7C,
       "nested, second stage",
       [&](F& t) {
         t.put(F::pasid_at(2), F::kOuter4 | 3 << 6 | 2 << 2 | 1 | kSsade);
         not_snooped(t, 2);
       },
       {2}},
  });
  // What is marked already needs no update.
  F t;
  for (const std::uint64_t at : {F::kFirst4, F::kFirst3, F::kFirst2, leaf}) {
    t.put(at, t.memory.load<std::uint64_t>(PhysAddr(at)) | 0x60);
  }
  not_snooped(t, 1);
  CHECK(t.ask({1, 0x5000, true}).allowed);
  // A page that was read is not dirty yet.
  F read;
  CHECK(read.ask({1}).allowed);
  not_snooped(read, 1);
  read.enable_wide_queue();
  read.send(7 | 3 << 4);
  CHECK(read.ask({1}).allowed);
  CHECK(read.ask({1, 0x5000, true}).fault_reason == 0x90);
}

TEST_CASE("execute and supervisor requests need their enable bit, and execution its right") {
  constexpr std::uint64_t kSre = 1, kEre = 2, kNxe = 1 << 5, kXd = 1ULL << 63;
  const auto enable = [](std::uint64_t bits) {
    return [bits](F& t) { t.put(F::pasid_at(1) + 16, F::kFirst4 | bits); };
  };
  F::Ask execute{1};
  execute.execute = true;
  F::Ask supervisor{1};
  supervisor.privileged = true;
  const auto forbidden = [&](F& t) {
    enable(kEre | kNxe)(t);
    t.put(F::kFirst1 + 40, F::kFirstTarget | 7 | kXd);
  };
  check({
      {0x5C, "execute without ERE", enable(kSre), execute},
      {0x5D, "supervisor without SRE", enable(kEre), supervisor},
      {0x82, "a page that must not be executed", forbidden, execute},
  });
  F t;
  forbidden(t);
  CHECK(t.ask({1}).allowed);  // and is cached now
  CHECK(t.ask(execute).fault_reason == 0x82);
  CHECK((t.read64(Offset::kFrcd + 8) >> 30 & 1) == 1);  // EXE
  CHECK((t.read64(Offset::kFrcd + 8) >> 29 & 1) == 0);  // PRIV
  F supervised;
  enable(kSre)(supervised);
  supervised.put(F::kFirst1 + 40, F::kFirstTarget | 3);  // a supervisor page
  CHECK(supervised.ask(supervisor).allowed);
  CHECK(supervised.ask({1}).fault_reason == 0x81);
  F::Ask without_pasid = execute;
  without_pasid.pasid.reset();
  CHECK(supervised.ask(without_pasid).allowed);  // no prefix, no meaning
  SECTION("a unit that has no such requests refuses them whatever the entry says") {
    Profile profile = test::every_feature();
    profile.ecap &= ~(std::uint64_t{3} << 30);  // ERS, SRS
    F plain(profile);
    enable(kEre | kSre)(plain);
    CHECK(plain.ask(execute).fault_reason == 0x5C);
    CHECK(plain.ask(supervisor).fault_reason == 0x5D);
  }
}

TEST_CASE("FPD of the directory entry and of the PASID entry silences what is found behind it") {
  F t;
  SECTION("directory entry") { t.put(F::kDirectory, F::kPasids | 3); }
  SECTION("PASID entry") { t.put(F::pasid_at(0), F::kPml4 | 0x8B); }
  CHECK_FALSE(t.ask({std::nullopt, 0x6000}).allowed);
  CHECK_FALSE(t.has_record());
}

TEST_CASE("each granularity of the IOTLB descriptors drops the translations that it names") {
  struct Row {
    const char* what;
    std::uint64_t low;
    std::uint64_t high;
    const char* dropped;  // of second, first, nested
  };
  constexpr std::uint64_t kIotlb = 2, kPasidIotlb = 6;
  const std::array rows{
      Row{"IOTLB global", kIotlb | 1 << 4, 0, "sfn"},
      Row{"IOTLB domain, second stage", kIotlb | 2 << 4 | F::kDomain << 16, 0, "s"},
      Row{"IOTLB domain, first stage", kIotlb | 2 << 4 | F::kFirstDomain << 16, 0, ""},
      Row{"IOTLB domain, nested", kIotlb | 2 << 4 | F::kNestedDomain << 16, 0, "n"},
      Row{"IOTLB page", kIotlb | 3 << 4 | F::kDomain << 16, 0x5000, "s"},
      Row{"IOTLB another page", kIotlb | 3 << 4 | F::kDomain << 16, 0x6000, ""},
      Row{"IOTLB pages around", kIotlb | 3 << 4 | F::kDomain << 16, 0x4000 | 1, "s"},
      Row{"IOTLB leaf only", kIotlb | 3 << 4 | F::kDomain << 16, 0x5000 | 0x40, "s"},
      Row{"IOTLB any page of nested", kIotlb | 3 << 4 | F::kNestedDomain << 16, 0x9000, "n"},
      Row{"PASID second stage", kPasidIotlb | 2 << 4 | F::kDomain << 16, 0, ""},
      Row{"PASID first stage", kPasidIotlb | 2 << 4 | F::kFirstDomain << 16 | 1ULL << 32, 0, "f"},
      Row{"another PASID", kPasidIotlb | 2 << 4 | F::kFirstDomain << 16 | 2ULL << 32, 0, ""},
      Row{"PASID nested", kPasidIotlb | 2 << 4 | F::kNestedDomain << 16 | 2ULL << 32, 0, "n"},
      Row{"page of PASID", kPasidIotlb | 3 << 4 | F::kFirstDomain << 16 | 1ULL << 32, 0x5000, "f"},
      Row{"pages of PASID", kPasidIotlb | 3 << 4 | F::kFirstDomain << 16 | 1ULL << 32, 0x4001, "f"},
      Row{"another page", kPasidIotlb | 3 << 4 | F::kFirstDomain << 16 | 1ULL << 32, 0x6000, ""},
      Row{"leaf of PASID", kPasidIotlb | 3 << 4 | F::kFirstDomain << 16 | 1ULL << 32, 0x5040, "f"},
      Row{"page of nested", kPasidIotlb | 3 << 4 | F::kNestedDomain << 16 | 2ULL << 32, 0x5000,
          "n"},
      Row{"context", 1 | 1 << 4, 0, ""},
      Row{"PASID cache", 7 | 3 << 4, 0, ""},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    F t;
    t.enable_wide_queue();
    for (const auto pasid : {std::optional<unsigned>(), std::optional(1U), std::optional(2U)}) {
      REQUIRE(t.ask({pasid}).allowed);
    }
    t.put(F::kPt + 40, 0);
    t.put(F::kFirst1 + 40, 0);
    t.send(row.low, row.high);
    CHECK(t.queue_error() == 0);
    const std::string_view dropped = row.dropped;
    CHECK(t.ask({}).allowed == !dropped.contains('s'));
    CHECK(t.ask({1}).allowed == !dropped.contains('f'));
    CHECK(t.ask({2}).allowed == !dropped.contains('n'));
  }
}

TEST_CASE("each granularity of the PASID cache and context cache descriptors drops its entries") {
  struct Row {
    const char* what;
    std::uint64_t low;
    bool pasid_entry;
    bool context;
  };
  const std::uint64_t source = std::uint64_t{Bdf(0, 3, 0).value()} << 32;
  const std::array rows{
      Row{"PASIDs of the domain", 7 | F::kDomain << 16, true, false},
      Row{"PASIDs of another domain", 7 | F::kFirstDomain << 16, false, false},
      Row{"PASID in the domain", 7 | 1 << 4 | F::kDomain << 16, true, false},
      Row{"another PASID", 7 | 1 << 4 | F::kDomain << 16 | 1ULL << 32, false, false},
      Row{"every PASID", 7 | 3 << 4, true, false},
      Row{"every context", 1 | 1 << 4, false, true},
      Row{"contexts of a domain: scalable ones have none, all go", 1 | 2 << 4, false, true},
      Row{"context of the device", 1 | 3 << 4 | source, false, true},
      Row{"context of another device", 1 | 3 << 4 | (source ^ 8ULL << 32), false, false},
      Row{"context of any function", 1 | 3 << 4 | (source ^ 7ULL << 32) | 3ULL << 48, false, true},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    for (const bool of_context : {false, true}) {
      F t;
      t.enable_wide_queue();
      REQUIRE(t.ask({}).allowed);
      t.put(of_context ? t.context() : F::pasid_at(0), 0);
      t.send(row.low);
      CHECK(t.queue_error() == 0);
      CHECK(t.ask({}).allowed == !(of_context ? row.context : row.pasid_entry));
    }
  }
}

TEST_CASE("malformed 256-bit descriptors stop the queue with their error") {
  struct Row {
    const char* what;
    std::uint64_t low;
    std::uint64_t high;
    unsigned error;
  };
  const std::array rows{
      Row{"PASID IOTLB granularity 0", 6, 0, 4},
      Row{"PASID IOTLB granularity 1", 6 | 1 << 4, 0, 4},
      Row{"PASID IOTLB reserved 6", 6 | 2 << 4 | 1 << 6, 0, 4},
      Row{"PASID IOTLB reserved 52", 6 | 2 << 4 | 1ULL << 52, 0, 4},
      Row{"PASID cache granularity 2", 7 | 2 << 4, 0, 4},
      Row{"PASID cache second word", 7 | 3 << 4, 1, 4},
      Row{"device-TLB reserved 4", 3 | 1 << 4, 0, 4},
      Row{"device-TLB second word 1", 3, 2, 4},
      Row{"PASID device-TLB second word 1", 8, 2, 4},
      Row{"response reserved 5", 9 | 1 << 5, 0, 4},
      Row{"response second word 12", 9, 1 << 12, 4},
      Row{"type 10", 10, 0, 3},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    F t;
    t.enable_wide_queue();
    t.send(row.low, row.high);
    CHECK(t.queue_error() == row.error);
  }
  F t;
  t.enable_wide_queue();
  SECTION("upper half") {
    t.put(F::kQueue, 1 | 1 << 4, 0);
    t.put(F::kQueue + 16, 1, 0);
    t.write32(Offset::kIqt, 0x20);
    CHECK(t.queue_error() == 4);
  }
  SECTION("tail in the middle of a descriptor") {
    t.write32(Offset::kIqt, 0x10);
    CHECK(t.queue_error() == 6);
  }
}
