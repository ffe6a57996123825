// baton new: a scenario of one's own, from one that comes with baton. Beside it lie the host dump
// that it names and the schema for editors, so that it runs wherever it is.

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/library.h"
#include "cli/text.h"
#include "harness/scenario/key_reference.h"
#include "harness/scenario/key_text.h"

namespace baton::cli {
namespace {

namespace fs = std::filesystem;

struct NewFile {
  fs::path path;
  std::string content;
};

std::string content_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// The template's text with another path of the dump and, at its head, where it came from.
std::string scenario_text(const harness::Loaded& source, const std::string& dump,
                          const std::string& schema, const std::string& id,
                          const std::string& name) {
  std::string out = fmt::format(
      "# yaml-language-server: $schema={}\n"
      "# {}, made by `baton new` from the template {}.\n#\n",
      schema, name, id);
  std::istringstream lines(source.text);
  const harness::Position at = source.scenario.machine.lspci_at;
  unsigned number = 0;
  for (std::string line; std::getline(lines, line);) {
    if (++number == at.line) line.replace(at.column - 1, at.length, dump);
    if (!line.starts_with("# yaml-language-server:")) out += line + "\n";
  }
  return out;
}

const LibraryScenario* find_template(const std::vector<LibraryScenario>& library,
                                     const Options& options, std::ostream& human) {
  const auto found = std::ranges::find(library, options.from, &LibraryScenario::id);
  if (found != library.end() && found->loaded.good()) return &*found;
  if (found != library.end()) {
    human << found->loaded.errors();
  } else if (library.empty()) {
    human << "no templates found: go to a checkout of baton, or name a --folder\n";
  } else {
    std::vector<std::string_view> ids;
    for (const LibraryScenario& one : library) ids.push_back(one.id);
    human << fmt::format("no template \"{}\".{}\ntemplates: {}\n", options.from,
                         suggestion(options.from, ids), fmt::join(ids, ", "));
  }
  return nullptr;
}

// Writes what is not there yet, in order; an exit status.
int write_all(const std::vector<NewFile>& files, std::ostream& human) {
  for (const NewFile& file : files) {
    std::error_code error;
    fs::create_directories(file.path.parent_path().empty() ? "." : file.path.parent_path(), error);
    if (fs::exists(file.path, error)) continue;
    std::ofstream stream(file.path, std::ios::binary);
    stream << file.content << std::flush;
    if (!stream) {
      human << fmt::format("cannot write \"{}\"\n", file.path.string());
      return kNotWritten;
    }
    human << fmt::format("wrote {}\n", file.path.string());
  }
  return kHeld;
}

}  // namespace

int new_command(const Options& options, Output output) {
  fs::path target = options.what;
  if (target.extension() != ".yaml") target += ".yaml";
  const std::string name = target.stem().string();
  const fs::path folder = target.parent_path();
  const std::vector<LibraryScenario> library = read_library(options.folder);
  const LibraryScenario* source = find_template(library, options, output.human);
  if (source == nullptr) return kUsage;

  const fs::path source_dump = source->loaded.scenario.machine.lspci_path;
  const NewFile dump{folder / "hosts" / source_dump.filename(), content_of(source_dump)};
  std::error_code error;
  if (fs::exists(target, error)) {
    output.human << fmt::format("\"{}\" exists: choose another name\n", target.string());
    return kUsage;
  }
  if (fs::exists(dump.path, error) && content_of(dump.path) != dump.content) {
    output.human << fmt::format("\"{}\" exists and is another host than the template's\n",
                                dump.path.string());
    return kUsage;
  }
  std::vector<NewFile> files;
  std::string schema = "../docs/scenario.schema.json";
  if (!fs::exists(folder / schema, error)) {
    schema = "scenario.schema.json";
    files.push_back({folder / schema, harness::scenario_schema()});
  }
  harness::Node value;
  value.kind = harness::Node::Kind::kScalar;
  value.text = "hosts/" + source_dump.filename().string();
  const std::string dump_name = harness::flow_text(value);
  files.insert(files.begin(),
               {target, scenario_text(source->loaded, dump_name, schema, source->id, name)});
  files.push_back(dump);
  const int code = write_all(files, output.human);
  if (code == kHeld) output.human << fmt::format("now: baton run {}\n", target.string());
  return code;
}

}  // namespace baton::cli
