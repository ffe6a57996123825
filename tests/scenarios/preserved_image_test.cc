// The preserved image of a small handover, byte for byte, in a listing that people can compare:
// every block in the order of addresses with what an outside reader says it is, and its bytes, 16
// to a line. Lines of zero are left out. Of a page with very many lines the first and the last are
// shown, and a digest of all. Guest memory is told as runs: its bytes are the guest's.
//
// BATON_UPDATE_GOLDEN=1 writes the listing anew.
#include "tests/scenarios/outside/handover.h"
#include "tests/support/golden.h"

namespace {

using outside::kPage;
using outside::Word;

constexpr std::size_t kLinesWhole = 40;
constexpr std::size_t kLinesAtEnds = 4;

std::string line(const outside::Image& image, Word at, Word page) {
  std::string text = fmt::format("  {:03x} ", at - page);
  std::string letters;
  for (Word i = 0; i < 16; ++i) {
    const auto byte = static_cast<unsigned>(image.number(at + i, 1));
    text += fmt::format("{}{:02x}", i % 8 == 0 ? " " : "", byte);
    letters += byte >= ' ' && byte <= '~' ? static_cast<char>(byte) : '.';
  }
  return text + "  " + letters + "\n";
}

std::string dump(const outside::Image& image, Word start, Word length) {
  std::vector<std::string> lines;
  for (Word at = start; at < start + length; at += 16) {
    if (image.word(at) == 0 && image.word(at + 8) == 0) continue;
    lines.push_back(line(image, at, start));
  }
  std::string text;
  if (lines.size() <= kLinesWhole) {
    for (const std::string& one : lines) text += one;
    return text;
  }
  Word digest = 0xCBF2'9CE4'8422'2325;  // FNV-1a
  for (const std::string& one : lines) {
    for (const char c : one) {
      digest = (digest ^ static_cast<unsigned char>(c)) * 0x0000'0100'0000'01B3;
    }
  }
  for (std::size_t i = 0; i < kLinesAtEnds; ++i) text += lines[i];
  text += fmt::format("  ...  {} lines in all, digest {:016x}\n", lines.size(), digest);
  for (std::size_t i = lines.size() - kLinesAtEnds; i < lines.size(); ++i) text += lines[i];
  return text;
}

std::string listing(outside::World& world) {
  std::string text =
      "The preserved image of quickstart with 16 MiB of guest memory at the jump: blocks by "
      "address\n"
      "with what they are, offset, bytes as they lie in memory.\n";
  std::string run_owner;
  Word run_start = 0;
  Word run_end = 0;
  const auto end_run = [&] {
    if (run_end != run_start) {
      text += fmt::format("\n{:#x}-{:#x} {}s\n", run_start, run_end - 1, run_owner);
    }
    run_start = run_end = 0;
  };
  for (const auto& [start, key] : world.keys) {
    const Word end = start + (kPage << key.order);
    if (key.owner.ends_with(": folio")) {
      if (start != run_end || key.owner != run_owner) {
        end_run();
        run_start = start;
        run_owner = key.owner;
      }
      run_end = end;
      continue;
    }
    end_run();
    text += fmt::format("\n{:#x} order {} {}\n", start, key.order, key.owner);
    text += dump(world.image, start, end - start);
  }
  end_run();
  return text;
}

}  // namespace

TEST_CASE("the preserved image of a small handover is this one, byte for byte") {
  outside::World world = outside::world_of(outside::Handover(
      "quickstart", "kexec",
      {"vms[0].memory=16MiB", "vms[0].workload.rate=10MB/s", "vms[0].workload.depth=4"}));
  outside::read_all(world);
  CHECK(world.errors.empty());
  const std::string problem =
      baton::testing::golden_problem("tests/scenarios/data/preserved-image.txt", listing(world));
  INFO(problem);
  CHECK(problem.empty());
}
