// One wrong character anywhere in a scenario: the scenario is still good, or diagnostics say what
// is wrong, and none of them points above the place.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/run/host_builder.h"
#include "sim/random.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kFolder = testing::source_dir() + "/scenarios";
constexpr std::size_t kMutations = 2000;  // in total

std::string read(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::vector<std::filesystem::path> library() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

struct Mutation {
  std::string text;
  std::string what;
  std::size_t at = 0;
};

Mutation mutate(const std::string& text, sim::Random& random) {
  constexpr std::string_view kInserted =
      "abcxyzABC0123456789 :-,.{}[]()\"'#&*!|>%@`?\\/\t\n\r_~=+\x01\xC3\xFF";
  Mutation result{text, "", random.below(text.size() - 1)};
  const std::uint64_t kind = random.below(3);
  if (kind == 0) {
    result.text.erase(result.at, 1);
    result.what = fmt::format("deleted '{}'", text[result.at]);
  } else if (kind == 1) {
    const char c = kInserted[random.below(kInserted.size())];
    result.text.insert(result.at, 1, c);
    result.what = fmt::format("inserted {:#04x}", static_cast<unsigned char>(c));
  } else {
    std::swap(result.text[result.at], result.text[result.at + 1]);
    result.what = "swapped two characters";
  }
  return result;
}

}  // namespace

TEST_CASE("one wrong character in a scenario is survived, and reported at its line or below") {
  const std::vector<std::filesystem::path> files = library();
  const std::size_t each = kMutations / files.size() + 1;
  std::size_t refused = 0;
  for (const std::filesystem::path& file : files) {
    const std::string text = read(file);
    sim::Random random(1, file.filename().string());
    for (std::size_t i = 0; i < each; ++i) {
      const Mutation mutation = mutate(text, random);
      const auto line = static_cast<unsigned>(
          1 +
          std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(mutation.at), '\n'));
      // A host is built for some, because building one takes 50 ms.
      const Loaded loaded = i % 16 == 0 ? check_scenario_text("s.yaml", mutation.text, kFolder)
                                        : parse_scenario("s.yaml", mutation.text, kFolder);
      if (loaded.good()) continue;
      ++refused;
      const Diagnostic first = loaded.diagnostics.sorted().front();
      const bool elsewhere = !first.file.name.empty();
      if (!elsewhere && first.at.line < line) {
        FAIL_CHECK(file.filename().string()
                   << ": " << mutation.what << " in line " << line << ", reported as\n"
                   << loaded.errors());
      }
    }
  }
  // Most of a scenario means something.
  CHECK(refused > kMutations / 3);
}
