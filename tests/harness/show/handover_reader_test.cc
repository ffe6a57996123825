// The readers of the handover meet memory that may hold anything.

#include "harness/show/handover_reader.h"

#include <algorithm>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "sim/random.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

constexpr std::uint64_t kPage = sim::kPageSize;

// RAM with a LUO header in page 1 and a block of sessions in page 2, of files in page 3.
struct Handover {
  Handover() {
    text(kPage, "luo-v5");
    memory.store(PhysAddr(kPage + 16), 2 * kPage);
    memory.store(PhysAddr(2 * kPage + 8), std::uint64_t{1});
    text(2 * kPage + 16, "vm0");
    memory.store(PhysAddr(2 * kPage + 16 + 64), 3 * kPage);
    memory.store(PhysAddr(3 * kPage + 8), std::uint64_t{1});
    text(3 * kPage + 16, "unknown-v9");
    memory.store(PhysAddr(3 * kPage + 16 + 56), std::uint64_t{77});
  }
  void text(std::uint64_t at, std::string_view value) {
    memory.write(PhysAddr(at), std::as_bytes(std::span(value)));
  }
  LuoView read() { return read_luo(memory, {"LUO", PhysAddr(kPage), 32}); }
  std::string problem() {
    const LuoView view = read();
    REQUIRE(view.problems.size() == 1);
    return view.problems.front();
  }

  sim::PhysicalMemory memory{64 * kPage};
};

}  // namespace

TEST_CASE("sessions and files are read from blocks, unknown records are told by their place") {
  Handover handover;
  const LuoView view = handover.read();
  CHECK(view.problems.empty());
  REQUIRE(view.sessions.size() == 1);
  CHECK(view.sessions[0].name == "vm0");
  REQUIRE(view.sessions[0].files.size() == 1);
  CHECK(view.sessions[0].files[0].token == 77);
  CHECK(view.sessions[0].files[0].compatible == "unknown-v9");
  CHECK(view.sessions[0].files[0].details.at(0).second.find("not decoded") != std::string::npos);
}

TEST_CASE("what cannot be read is a problem, each with its sentence") {
  Handover handover;
  handover.memory.store(PhysAddr(2 * kPage), 2 * kPage);
  CHECK(handover.problem().find("no end") != std::string::npos);
  handover.memory.store(PhysAddr(2 * kPage), 64 * kPage);
  CHECK(handover.problem().find("no page of RAM") != std::string::npos);
  handover.memory.store(PhysAddr(2 * kPage), std::uint64_t{0});
  handover.memory.store(PhysAddr(2 * kPage + 8), std::uint64_t{52});
  CHECK(handover.problem().find("claims 52 entries, 51 fit") != std::string::npos);
  handover.memory.store(PhysAddr(2 * kPage + 8), std::uint64_t{1});
  handover.memory.store(PhysAddr(kPage + 24), 64 * kPage);
  CHECK(handover.problem().find("FLB page") != std::string::npos);
  handover.memory.store(PhysAddr(kPage + 24), 4 * kPage);
  handover.memory.store(PhysAddr(4 * kPage + 8), std::uint64_t{64});
  CHECK(handover.problem().find("claims 64 entries") != std::string::npos);
  handover.text(kPage, "luo-v6");
  CHECK(handover.problem().find("knows luo-v5") != std::string::npos);
  CHECK(read_luo(handover.memory, {"LUO", PhysAddr(64 * kPage), 32}).problems.size() == 1);
  CHECK(read_luo(handover.memory, {"LUO", PhysAddr(kPage), 31}).problems.size() == 1);
}

TEST_CASE("a record that claims more folios than there are pages is not followed") {
  Handover handover;
  handover.text(3 * kPage + 16, std::string_view("memfd-v2\0\0", 10));
  handover.memory.store(PhysAddr(3 * kPage + 16 + 48), 5 * kPage);
  handover.memory.store(PhysAddr(5 * kPage + 24), std::uint64_t{1} << 40);
  handover.memory.store(PhysAddr(5 * kPage + 32), 6 * kPage);  // a chunk that names itself
  handover.memory.store(PhysAddr(5 * kPage + 40), std::uint32_t{0xFFFFFFFF});
  handover.memory.store(PhysAddr(6 * kPage), 6 * kPage);
  const LuoView view = handover.read();
  const Details& details = view.sessions.at(0).files.at(0).details;
  CHECK(details.back().second == "more folios than RAM has pages");
  handover.memory.store(PhysAddr(5 * kPage + 24), std::uint64_t{64});
  CHECK(handover.read().sessions.at(0).files.at(0).details.back().first == "problem");
}

TEST_CASE("a chain of setup_data may end anywhere") {
  sim::PhysicalMemory memory(16 * kPage);
  CHECK(read_setup_data(memory, {}).entries.empty());
  CHECK(read_setup_data(memory, PhysAddr(16 * kPage)).entries.empty());
  memory.store(PhysAddr(kPage), kPage);  // a circle
  CHECK(read_setup_data(memory, PhysAddr(kPage)).entries.size() == 64);
  memory.store(PhysAddr(kPage), 2 * kPage);
  CHECK(read_setup_data(memory, PhysAddr(kPage)).entries.size() == 2);
  CHECK_FALSE(read_fdt(memory, PhysAddr(kPage), kPage).has_value());
  CHECK_FALSE(read_fdt(memory, PhysAddr(15 * kPage), 2 * kPage).has_value());
}

TEST_CASE("damaged handovers are read to their end") {
  const Loaded loaded = check_scenario(testing::source_dir() + "/scenarios/quickstart.yaml");
  REQUIRE(loaded.good());
  std::size_t problems = 0;
  std::size_t rounds = 0;
  RunOptions options;
  options.at_jump = [&](sim::PhysicalMemory& memory, const host::KexecImage& image) {
    const SetupChain chain = read_setup_data(memory, image.setup_data);
    REQUIRE(chain.kho.has_value());
    const auto fdt = read_fdt(memory, chain.kho->fdt, chain.kho->fdt_size);
    REQUIRE(fdt.has_value());
    const KhoRoot root = read_root(*fdt);
    const auto luo = std::ranges::find(root.blobs, "LUO", &NamedBlob::name);
    REQUIRE(luo != root.blobs.end());
    const LuoView whole = read_luo(memory, *luo);
    CHECK(whole.problems.empty());
    std::vector<std::uint64_t> pages{luo->address.value()};
    const std::uint64_t sessions = memory.load<std::uint64_t>(luo->address + 16);
    pages.push_back(sessions);
    pages.push_back(memory.load<std::uint64_t>(luo->address + 24));
    pages.push_back(memory.load<std::uint64_t>(PhysAddr(sessions + 16 + 64)));
    for (const LuoFileView& file : whole.sessions.at(0).files) pages.push_back(file.data);
    for (const LuoFlbView& flb : whole.flbs) pages.push_back(flb.data);
    sim::Random random(3, "damaged-handovers");
    for (; rounds < 300; ++rounds) {
      const std::uint64_t page = pages[random.below(pages.size())];
      const PhysAddr at(page + random.below(128));
      const auto before = memory.load<std::uint8_t>(at);
      memory.store(at, static_cast<std::uint8_t>(random.below(256)));
      problems += read_luo(memory, *luo).problems.empty() ? 0U : 1U;
      memory.store(at, before);
    }
  };
  CHECK(run_scenario(loaded, options).passed());
  CHECK(rounds == 300);
  CHECK(problems > 10);
}
