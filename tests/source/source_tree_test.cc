// Rules that hold for every source file [docs/architecture.md, house style]. Each checker is also
// fed source that breaks it.
#include "tests/source/source_tree.h"
#include "tests/support/source_dir.h"

#include <algorithm>
#include <fstream>
#include <regex>

namespace baton::test {

namespace {

constexpr std::size_t kMaxLines = 600;
constexpr std::size_t kMaxColumns = 100;

bool starts_with_folder(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.substr(0, folder.size()) == folder &&
         path[folder.size()] == '/';
}

// Length as a reader sees it: UTF-8 continuation bytes do not count.
std::size_t columns(std::string_view line) {
  return static_cast<std::size_t>(std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string strip_comment(const std::string& line) { return line.substr(0, line.find("//")); }

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    text += line + "\n";
  }
  return text;
}

struct Ban {
  const char* pattern;
  const char* reason;
  bool model_only;
};

const std::vector<Ban>& bans() {
  static const std::vector<Ban> rows{
      {R"(\bstd::format\b|<format>)", "use fmt", false},
      {R"(\busing namespace std\b)", "no using namespace std", false},
      {R"(\bshared_ptr\b)", "ownership is by unique_ptr", true},
      {R"(<random>|std::uniform_int_distribution)", "use sim::Random", true},
      {R"(\bstd::hash\b)", "differs between libraries", true},
      {R"(\bunordered_(map|set)\b)", "no unordered containers: their order is the host's", true},
      {R"(<chrono>|\bclock_gettime\b|\bgettimeofday\b)", "no host clock", true},
      {R"(\b(float|double)\b)", "no floating point in the model", true},
      {R"(\bstd::(thread|mutex|async)\b|<thread>|<mutex>)", "one thread per simulation", true},
      {R"(\bdetached\b)", "co_spawn with detached swallows exceptions", false},
      {R"(\bstd::(cout|cerr)\b|\bprintf\()", "only cli/ prints", true},
  };
  return rows;
}

bool is_model(std::string_view path) {
  return starts_with_folder(path, "model") || starts_with_folder(path, "sim");
}

}  // namespace

std::vector<SourceFile> source_files(const std::vector<std::string>& folders) {
  std::vector<SourceFile> files;
  const std::filesystem::path root(baton::testing::source_dir());
  for (const std::string& folder : folders) {
    if (!std::filesystem::exists(root / folder)) {
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cc") {
        continue;
      }
      SourceFile file{std::filesystem::relative(entry.path(), root).generic_string(), {}};
      std::ifstream input(entry.path());
      for (std::string line; std::getline(input, line);) {
        file.lines.push_back(line);
      }
      files.push_back(std::move(file));
    }
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

std::vector<std::string> layers() {
  std::vector<std::string> result;
  std::ifstream input(baton::testing::source_dir() + "/layers.txt");
  for (std::string line; std::getline(input, line);) {
    if (!line.empty() && line[0] != '#') {
      result.push_back(line);
    }
  }
  return result;
}

int layer_of(std::string_view path, const std::vector<std::string>& layers) {
  int best = -1;
  std::size_t length = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (starts_with_folder(path, layers[i]) && layers[i].size() > length) {
      best = static_cast<int>(i);
      length = layers[i].size();
    }
  }
  return best;
}

std::vector<std::string> include_order_problems(const SourceFile& file,
                                                const std::vector<std::string>& layers) {
  std::vector<std::string> problems;
  static const std::regex include(R"re(^\s*#include "([^"]+)")re");
  const int own = layer_of(file.path, layers);
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    std::smatch match;
    if (!std::regex_search(file.lines[i], match, include)) {
      continue;
    }
    const std::string target = match[1];
    const int other = layer_of(target, layers);
    if (other < 0) {
      problems.push_back(fmt::format("{}:{}: {} is in no layer", file.path, i + 1, target));
    } else if (other > own) {
      problems.push_back(fmt::format(
          "{}:{}: {} includes up into {}", file.path, i + 1,
          own < 0 ? "a file outside the layers" : layers[static_cast<std::size_t>(own)], target));
    }
  }
  return problems;
}

std::vector<std::string> style_problems(const SourceFile& file) {
  std::vector<std::string> problems;
  auto report = [&](std::size_t line, std::string_view text) {
    problems.push_back(fmt::format("{}:{}: {}", file.path, line, text));
  };
  if (file.lines.size() > kMaxLines) {
    report(file.lines.size(), "more than 600 lines");
  }
  const bool header = file.path.ends_with(".h");
  if (header &&
      std::find(file.lines.begin(), file.lines.end(), "#pragma once") == file.lines.end()) {
    report(1, "a header without #pragma once");
  }
  if (header && (file.lines.empty() || !file.lines[0].starts_with("//"))) {
    report(1, "a header does not begin with its idea");
  }
  // Words that mark unfinished work, split so that this file does not hold them.
  static const std::regex unfinished(
      "\\b(TO"
      "DO|FIX"
      "ME|XX"
      "X|HA"
      "CK)\\b|for "
      "now\\b|dum"
      "my|place"
      "holder",
      std::regex::icase);
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const std::string& line = file.lines[i];
    if (columns(line) > kMaxColumns && line.find("http") == std::string::npos) {
      report(i + 1, "longer than 100 columns");
    }
    if (std::regex_search(line, unfinished)) {
      report(i + 1, "unfinished work");
    }
    if (starts_with_folder(file.path, "tests/source")) {
      continue;  // the rows above would find themselves
    }
    const std::string code = strip_comment(line);
    for (const Ban& ban : bans()) {
      if ((!ban.model_only || is_model(file.path)) &&
          std::regex_search(code, std::regex(ban.pattern))) {
        report(i + 1, ban.reason);
      }
    }
  }
  return problems;
}

// GCC 12 destroys twice what a co_await expression builds as an aggregate temporary, or a capturing
// lambda called in it. Looks at each statement with co_await, over line breaks.
std::vector<std::string> co_await_problems(const SourceFile& file) {
  std::vector<std::string> problems;
  std::vector<std::string> code;
  for (const std::string& line : file.lines) {
    code.push_back(strip_comment(line));
  }
  const std::string text = join(code);
  static const std::regex aggregate(R"([A-Za-z_>]\{[^}]|\(\{|, \{)");
  static const std::regex lambda(R"(\[[&=][^\]]*\]\s*\(|\[this[^\]]*\]\s*\()");
  std::size_t at = 0;
  while ((at = text.find("co_await ", at)) != std::string::npos) {
    std::size_t end = text.find_first_of(";{", at);
    // A brace that opens a block (`if (co_await x) {`) ends the expression; one that continues it
    // is an aggregate.
    while (end != std::string::npos && text[end] == '{' && end > 0 && text[end - 1] != ' ') {
      end = text.find_first_of(";", end);
    }
    const std::string expression = text.substr(at, end == std::string::npos ? end : end - at);
    if (std::regex_search(expression, aggregate) || std::regex_search(expression, lambda)) {
      const auto line =
          std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
      problems.push_back(
          fmt::format("{}:{}: a co_await expression builds a temporary", file.path, line));
    }
    at += 9;
  }
  return problems;
}

// With the formatter's layout a function's last line is a brace in the first column; its first one
// is the first line there that is neither a comment nor what begins something else.
std::vector<std::string> length_problems(const SourceFile& file) {
  constexpr std::size_t kMost = 70;
  static const std::regex other(
      "^(namespace|struct|class|enum|union|TEST_CASE|SCENARIO|extern|#|//|\\}|\\)|$)");
  std::vector<std::string> problems;
  std::size_t start = 0;
  bool inside = false;
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const std::string& line = file.lines[i];
    if (line == "}") {
      if (inside && i - start + 1 > kMost) {
        problems.push_back(fmt::format("{}:{}: a function of {} lines, the most is {}", file.path,
                                       start + 1, i - start + 1, kMost));
      }
      inside = false;
    } else if (!line.empty() && line[0] != ' ') {
      inside = !std::regex_search(line, other);
      start = i;
    }
  }
  return problems;
}

}  // namespace baton::test

namespace {

using namespace baton::test;

void report_all(const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) {
    FAIL_CHECK(problem);
  }
}

const std::vector<std::string> kFolders{"sim", "model", "harness", "cli"};

}  // namespace

TEST_CASE("no layer includes a header of a layer above it") {
  const std::vector<std::string> order = layers();
  REQUIRE(order.size() > 10);
  for (const SourceFile& file : source_files(kFolders)) {
    report_all(include_order_problems(file, order));
  }
}

TEST_CASE("the include graph test sees an include that goes up, and one that leads nowhere") {
  const SourceFile up{"sim/bad.cc", {"#include \"model/pci/fabric.h\""}};
  const SourceFile nowhere{"sim/bad.cc", {"#include \"elsewhere/x.h\""}};
  const SourceFile down{"model/pci/good.cc", {"#include \"sim/time.h\"", "#include <vector>"}};
  CHECK(include_order_problems(up, layers()).size() == 1);
  CHECK(include_order_problems(nowhere, layers()).size() == 1);
  CHECK(include_order_problems(down, layers()).empty());
}

TEST_CASE("every source file keeps the house style") {
  std::vector<std::string> folders = kFolders;
  folders.push_back("tests");
  for (const SourceFile& file : source_files(folders)) {
    report_all(style_problems(file));
    report_all(length_problems(file));
  }
}

TEST_CASE("the length test sees a function that is too long, and no other") {
  SourceFile file{"sim/bad.cc", {"struct Table {"}};
  file.lines.insert(file.lines.end(), 80, "  int row;");
  file.lines.insert(file.lines.end(), {"};", "", "void short_one() {", "}", "int long_one(int a,"});
  file.lines.emplace_back("             int b) {");
  file.lines.insert(file.lines.end(), 70, "  a += b;");
  file.lines.emplace_back("}");
  const std::vector<std::string> problems = length_problems(file);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].starts_with("sim/bad.cc:86: a function of 73 lines"));
}

TEST_CASE("the style test sees what it forbids") {
  const SourceFile bad{
      "model/pci/bad.h",
      {"#include <random>", "std::shared_ptr<int> x;", std::string(101, 'x'), "double y;"}};
  CHECK(style_problems(bad).size() == 6);
  const SourceFile good{"model/pci/good.h", {"// The idea.", "#pragma once", "int x = 1;"}};
  CHECK(style_problems(good).empty());
}

TEST_CASE("no co_await expression builds an aggregate temporary or calls a capturing lambda") {
  for (const SourceFile& file : source_files(kFolders)) {
    report_all(co_await_problems(file));
  }
}

TEST_CASE("the co_await test sees aggregates and capturing lambdas") {
  const SourceFile aggregate{"model/a.cc", {"co_await run(Args{1, 2});"}};
  const SourceFile lambda{"model/b.cc", {"co_await run([&](int x) { return x; });"}};
  const SourceFile good{"model/c.cc",
                        {"if (!co_await run(args)) {", "  co_return;", "}", "co_await f();"}};
  CHECK(co_await_problems(aggregate).size() == 1);
  CHECK(co_await_problems(lambda).size() == 1);
  CHECK(co_await_problems(good).empty());
}

TEST_CASE("the project stands alone: nothing in it names a place outside") {
  const std::vector<std::string> words{std::string("../") + "shared", std::string("/work") + "/",
                                       std::string("/root") + "/"};
  for (const char* folder :
       {"sim", "model", "harness", "cli", "tests", "docs", "scenarios", "tools", "cmake", ".ci"}) {
    const std::filesystem::path path = std::filesystem::path(baton::testing::source_dir()) / folder;
    if (!std::filesystem::exists(path)) {
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (!entry.is_regular_file() || entry.path().extension() == ".gz") {
        continue;
      }
      std::ifstream input(entry.path());
      const std::string text((std::istreambuf_iterator<char>(input)), {});
      for (const std::string& word : words) {
        if (text.find(word) != std::string::npos) {
          FAIL_CHECK(entry.path().string() + " holds " + word);
        }
      }
    }
  }
}
