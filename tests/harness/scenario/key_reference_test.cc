// The schema and the page that come from the key table: the copies in docs are current, every
// example parses, the library validates.

#include "harness/scenario/key_reference.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/scenario/key_text.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/schema.h"
#include "harness/scenario/units.h"
#include "tests/harness/scenario/json_schema_checker.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kSource = testing::source_dir();

const std::string kSmallest =
    "baton: 1\n"
    "title: t\n"
    "machine: {topology: {lspci: hosts/flat.lspci}}\n"
    "expect: []\n";

std::string read(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  REQUIRE(stream);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// As an editor's YAML reader sees it: what looks like an integer is one.
boost::json::value value_of(const Node& node) {
  if (node.kind == Node::Kind::kMap) {
    boost::json::object object;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      object[node.keys[i].text] = value_of(node.items[i]);
    }
    return object;
  }
  if (node.kind == Node::Kind::kList) {
    boost::json::array array;
    for (const Node& item : node.items) array.push_back(value_of(item));
    return array;
  }
  if (node.kind == Node::Kind::kNull) return nullptr;
  if (const ParsedValue number = parse_number(node.text)) return boost::json::value(*number);
  return boost::json::value(node.text);
}

std::vector<std::string> problems(const std::string& yaml) {
  Diagnostics diagnostics;
  const Node root = read_yaml(yaml, diagnostics);
  REQUIRE(diagnostics.empty());
  static const boost::json::value schema = boost::json::parse(scenario_schema());
  return testing::JsonSchemaChecker().check(schema, value_of(root));
}

// The smallest scenario with `value` at the key `path`; what stands around it comes from the
// examples.
Node with(std::string_view path, const Node& value) {
  Diagnostics diagnostics;
  Node root = read_yaml(kSmallest, diagnostics);
  Node* at = &root;
  std::string done;
  for (std::string_view rest = path; !rest.empty();) {
    const bool item = rest.starts_with("[]");
    const std::size_t end = item ? 2 : std::min({rest.find('.'), rest.find('['), rest.size()});
    const std::string part(rest.substr(0, end));
    rest.remove_prefix(end);
    if (rest.starts_with('.')) rest.remove_prefix(1);
    done += item ? "[]" : (done.empty() ? "" : ".") + part;
    if (item) {
      at->kind = Node::Kind::kList;
      if (at->items.empty()) at->items.push_back(example_of(*key_row(done)));
      at = &at->items.front();
      continue;
    }
    const auto found = std::ranges::find(at->keys, part, &Node::Key::text);
    const auto index = static_cast<std::size_t>(found - at->keys.begin());
    if (found == at->keys.end()) {
      at->keys.push_back({part, {}});
      at->items.push_back(example_of(*key_row(done)));
    }
    at = &at->items[index];
  }
  *at = value;
  return root;
}

Diagnostics check(const Node& root) {
  Diagnostics diagnostics;
  const Node again = read_yaml(flow_text(root), diagnostics);
  check_against_schema(again, "", diagnostics);
  return diagnostics;
}

}  // namespace

TEST_CASE("docs/scenario.schema.json and docs/scenario.md are what `tools/generate-docs` writes") {
  CHECK(read(kSource + "/docs/scenario.schema.json") == scenario_schema());
  CHECK(read(kSource + "/docs/scenario.md") == scenario_reference());
}

TEST_CASE("every key has a description and an example that parses and validates") {
  for (const KeyRow& row : key_rows()) {
    const Node root = with(row.path, example_of(row));
    INFO(row.path << ": " << flow_text(root));
    CHECK_FALSE(row.description.empty());
    CHECK_FALSE(example_text(row).empty());
    CHECK(check(root).format("example", flow_text(root)).empty());
    CHECK(problems(flow_text(root)).empty());
  }
}

TEST_CASE("every default is a value that its key takes") {
  for (const KeyRow& row : key_rows()) {
    if (row.fallback.empty()) continue;
    Node value;
    value.kind = Node::Kind::kScalar;
    value.text = row.fallback;
    INFO(row.path);
    CHECK(check(with(row.path, value)).empty());
  }
}

TEST_CASE("every value that is known and not built is refused by its name, and by the schema") {
  std::size_t refused = 0;
  for (const KeyRow& row : key_rows()) {
    if (row.choices == nullptr) continue;
    for (const Choice& choice : row.choices()) {
      if (choice.built) continue;
      Node value;
      value.kind = Node::Kind::kScalar;
      value.text = choice.name;
      const Node root = with(row.path, value);
      INFO(row.path << ": " << choice.name);
      const std::vector<Diagnostic> found = check(root).sorted();
      REQUIRE(found.size() == 1);
      CHECK(row_of(found[0].problem).code == "E0112");
      CHECK(found[0].message.find(choice.name) != std::string::npos);
      CHECK(found[0].help.starts_with("built: "));
      CHECK_FALSE(problems(flow_text(root)).empty());
      ++refused;
    }
  }
  CHECK(refused >= 3);  // a preset and two pieces at least
}

TEST_CASE("every scenario of the library validates and names its schema in the first line") {
  const std::filesystem::path folder = kSource + "/scenarios";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string text = read(entry.path().string());
    INFO(entry.path().filename().string());
    const bool below = entry.path().parent_path() != folder;
    CHECK(text.starts_with(fmt::format(
        "# yaml-language-server: $schema={}../docs/scenario.schema.json\n", below ? "../" : "")));
    for (const std::string& problem : problems(text)) FAIL_CHECK(problem);
  }
}

TEST_CASE("the schema refuses what the parser refuses") {
  CHECK(problems(kSmallest).empty());
  CHECK_FALSE(problems(kSmallest + "zzz: 1\n").empty());
  CHECK_FALSE(problems("baton: 1\ntitle: t\nexpect: []\n").empty());
  CHECK_FALSE(problems(kSmallest + "end: 5\n").empty());
  CHECK_FALSE(problems(kSmallest + "end: 5min\n").empty());
  CHECK_FALSE(problems(kSmallest + "policies: {reinject: nothing}\n").empty());
  CHECK_FALSE(problems(kSmallest + "vms: {}\n").empty());
  CHECK_FALSE(problems(kSmallest + "vms: [{name: a b, memory: 1GiB}]\n").empty());
}

TEST_CASE("the page has every key once") {
  const std::string page = scenario_reference();
  for (const KeyRow& row : key_rows()) {
    const std::string start = fmt::format("\n| `{}` |", row.path);
    INFO(row.path);
    const std::size_t at = page.find(start);
    REQUIRE(at != std::string::npos);
    CHECK(page.find(start, at + 1) == std::string::npos);
  }
}

TEST_CASE("the alternatives of a policy that can be chosen say what they do") {
  for (const KeyRow* row : rows_below("policies")) {
    for (const Choice& choice : built_choices(*row)) {
      INFO(row->path << ": " << choice.name);
      CHECK_FALSE(choice.text.empty());
    }
  }
}
