#include "harness/scenario/diagnostic_report.h"

#include <boost/json.hpp>

#include "harness/scenario/json_text.h"
#include "harness/scenario/source_text.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

struct Located {
  std::string file;
  std::string line;
  Place place;
};

Located locate(const Loaded& loaded, const Diagnostic& diagnostic) {
  Located result;
  const bool other = !diagnostic.file.name.empty();
  result.file = printable(other ? diagnostic.file.name : loaded.file);
  if (diagnostic.at.line == 0) return result;
  const std::string_view line =
      other ? std::string_view(diagnostic.file.line) : line_of(loaded.text, diagnostic.at.line);
  result.line = printable(line);
  result.place = place_in(line, diagnostic.at);
  return result;
}

// A relative reference of RFC 3986: what a URI cannot hold is percent-encoded.
std::string uri_of(std::string_view path) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
  std::string out = path.starts_with('/') ? "file://" : "";
  for (const char c : path) {
    if (kPlain.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      constexpr std::string_view kDigits = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kDigits[byte >> 4], kDigits[byte & 0xF]};
    }
  }
  return out;
}

json::object rule_of(const ProblemRow& row) {
  const auto text = [](std::string_view words) { return json::object{{"text", words}}; };
  return {{"id", row.code},
          {"shortDescription", text(row.title)},
          {"fullDescription", text(row.text)},
          {"help", text(std::string(row.text) + " `baton explain " + std::string(row.code) +
                        "` says so too.")},
          {"defaultConfiguration", json::object{{"level", "error"}}}};
}

json::object result_of(const Loaded& loaded, const Diagnostic& diagnostic) {
  const Located at = locate(loaded, diagnostic);
  std::string message = printable(diagnostic.message);
  for (const std::string& more : {diagnostic.caret_note, diagnostic.help}) {
    if (!more.empty()) message += "; " + printable(more);
  }
  json::object physical{{"artifactLocation", json::object{{"uri", uri_of(at.file)}}}};
  if (at.place.line != 0) {
    physical["region"] = json::object{{"startLine", at.place.line},
                                      {"startColumn", at.place.column},
                                      {"endColumn", at.place.end_column},
                                      {"snippet", json::object{{"text", at.line}}}};
  }
  return {{"ruleId", row_of(diagnostic.problem).code},
          {"ruleIndex", static_cast<unsigned>(diagnostic.problem)},
          {"level", "error"},
          {"message", json::object{{"text", message}}},
          {"locations", json::array{json::object{{"physicalLocation", physical}}}}};
}

json::object value_of(const Loaded& loaded, const Diagnostic& diagnostic) {
  const Located at = locate(loaded, diagnostic);
  const ProblemRow& row = row_of(diagnostic.problem);
  return {{"code", row.code},
          {"title", row.title},
          {"message", printable(diagnostic.message)},
          {"note", printable(diagnostic.caret_note)},
          {"help", printable(diagnostic.help)},
          {"file", at.file},
          {"line", at.place.line},
          {"column", at.place.column},
          {"end_column", at.place.end_column}};
}

}  // namespace

std::string diagnostics_json(std::span<const Loaded> files) {
  json::array all;
  for (const Loaded& loaded : files) {
    json::array problems;
    for (const Diagnostic& one : loaded.diagnostics.sorted()) {
      problems.push_back(value_of(loaded, one));
    }
    all.push_back(json::object{{"file", printable(loaded.file)},
                               {"good", loaded.good()},
                               {"diagnostics", std::move(problems)}});
  }
  return pretty_json(
      json::object{{"format", "baton-diagnostics"}, {"version", 1}, {"files", std::move(all)}});
}

std::string diagnostics_sarif(std::span<const Loaded> files) {
  json::array rules;
  for (const ProblemRow& row : problem_rows()) rules.push_back(rule_of(row));
  json::array results;
  for (const Loaded& loaded : files) {
    for (const Diagnostic& one : loaded.diagnostics.sorted()) {
      results.push_back(result_of(loaded, one));
    }
  }
  json::object driver{{"name", "baton"}, {"rules", std::move(rules)}};
  json::object run{{"tool", json::object{{"driver", std::move(driver)}}},
                   {"columnKind", "unicodeCodePoints"},
                   {"results", std::move(results)}};
  return pretty_json(json::object{{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                                  {"version", "2.1.0"},
                                  {"runs", json::array{std::move(run)}}});
}

}  // namespace baton::harness
