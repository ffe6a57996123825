// docs/features.yaml says what shows each feature; here it is held against scenarios and tests.
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>

#include "tests/source/source_tree.h"
#include "tests/support/golden.h"
#include "tests/support/source_dir.h"

namespace baton::test {
namespace {

constexpr int kRows = 125;

struct Feature {
  int row = 0;
  std::string from;
  std::string text;
  std::vector<std::string> shown;
  std::string missing;
};

std::vector<Feature> read_features() {
  std::vector<Feature> features;
  for (const YAML::Node& node : YAML::LoadFile(testing::source_dir() + "/docs/features.yaml")) {
    Feature feature;
    feature.row = node["row"].as<int>();
    feature.from = node["from"].as<std::string>();
    feature.text = node["feature"].as<std::string>();
    for (const YAML::Node& name : node["shown"]) feature.shown.push_back(name.as<std::string>());
    if (node["missing"]) feature.missing = node["missing"].as<std::string>();
    features.push_back(std::move(feature));
  }
  return features;
}

// Test sentences and the files they are in. A sentence may be split over several literals.
std::multimap<std::string, std::string> read_tests() {
  const std::regex start(R"(TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+))");
  const std::regex literal(R"x("((?:[^"\\]|\\.)*)")x");
  std::multimap<std::string, std::string> tests;
  for (const SourceFile& file : source_files({"tests"})) {
    std::string text;
    for (const std::string& line : file.lines) {
      text.append(line);
      text.push_back('\n');
    }
    for (std::sregex_iterator test(text.begin(), text.end(), start), end; test != end; ++test) {
      const std::string literals = (*test)[1];
      std::string name;
      for (std::sregex_iterator part(literals.begin(), literals.end(), literal); part != end;
           ++part) {
        name += (*part)[1];
      }
      tests.emplace(std::move(name), file.path);
    }
  }
  return tests;
}

bool is_scenario(const std::string& name) { return name.starts_with("scenarios/"); }

std::string cell(std::string_view text) {
  std::string escaped;
  for (const char character : text) {
    if (character == '|') escaped.push_back('\\');
    escaped.push_back(character);
  }
  return escaped;
}

std::string table(const std::vector<Feature>& features) {
  const auto count = [&](bool shown, bool missing) {
    return std::ranges::count_if(features, [&](const Feature& feature) {
      return feature.shown.empty() != shown && feature.missing.empty() != missing;
    });
  };
  std::string text =
      "# Features\n\n"
      "Made from [features.yaml](features.yaml), whose head names the documents A to E that the\n"
      "list was drawn up from. A test checks that every scenario and every test named here "
      "exists;\nall of them run in `./run-tests`.\n\n";
  text += fmt::format("{} features: {} shown, {} shown in part, {} not yet.\n\n", features.size(),
                      count(true, false), count(true, true), count(false, true));
  text += "| row | from | feature | shown by | missing |\n|---|---|---|---|---|\n";
  for (const Feature& feature : features) {
    std::string shown;
    for (const std::string& name : feature.shown) {
      if (!shown.empty()) shown += "; ";
      shown += is_scenario(name)
                   ? fmt::format("[{}](../{})", std::filesystem::path(name).stem().string(), name)
                   : name;
    }
    if (shown.empty()) shown = "*not yet*";
    text += fmt::format("| {} | {} | {} | {} | {} |\n", feature.row, feature.from,
                        cell(feature.text), cell(shown), cell(feature.missing));
  }
  return text;
}

}  // namespace

TEST_CASE("every feature is there once, with what shows it or what is missing") {
  const std::vector<Feature> features = read_features();
  REQUIRE(features.size() == kRows);
  for (std::size_t i = 0; i < features.size(); ++i) {
    INFO("row " << features[i].row);
    CHECK(features[i].row == static_cast<int>(i) + 1);
    CHECK_FALSE(features[i].text.empty());
    CHECK(std::string_view("ABCDE").find(features[i].from) != std::string_view::npos);
    CHECK_FALSE((features[i].shown.empty() && features[i].missing.empty()));
  }
}

TEST_CASE("what is said to show a feature exists") {
  const std::multimap<std::string, std::string> tests = read_tests();
  REQUIRE(tests.size() > 100);
  for (const Feature& feature : read_features()) {
    for (const std::string& name : feature.shown) {
      INFO("row " << feature.row << ": " << name);
      if (is_scenario(name)) {
        CHECK(std::filesystem::is_regular_file(testing::source_dir() + "/" + name));
      } else {
        CHECK(tests.contains(name));
      }
    }
  }
}

TEST_CASE("the table of features is the one made from its source") {
  CHECK(testing::golden_problem("docs/features.md", table(read_features())).empty());
}

}  // namespace baton::test
