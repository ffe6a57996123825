#include "harness/sweep/state_file.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <boost/json.hpp>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>
#include <string_view>

namespace baton::harness {
namespace {

namespace json = boost::json;

constexpr std::size_t kCheckDigits = 8;

std::string line_of(const json::object& value) {
  const std::string text = json::serialize(value);
  return fmt::format("{:08x} {}\n",
                     static_cast<std::uint32_t>(XXH3_64bits(text.data(), text.size())), text);
}

// The JSON of a whole line.
std::optional<std::string_view> content_of(std::string_view line) {
  if (line.size() <= kCheckDigits + 1) return std::nullopt;
  const std::string_view text = line.substr(kCheckDigits + 1);
  const auto check = static_cast<std::uint32_t>(XXH3_64bits(text.data(), text.size()));
  if (line.substr(0, kCheckDigits + 1) != fmt::format("{:08x} ", check)) return std::nullopt;
  return text;
}

json::object head(const std::string& digest) {
  return {{"baton_sweep_state", 1}, {"digest", digest}};
}

struct Content {
  std::vector<RunRow> rows;
  std::size_t good = 0;  // bytes up to the end of the last whole line
};

std::expected<Content, std::string> read(const std::string& file, std::string_view text,
                                         const std::string& digest) {
  Content content;
  std::set<std::uint64_t> runs;
  bool first = true;
  while (content.good < text.size()) {
    const std::size_t end = text.find('\n', content.good);
    const bool last = end == std::string_view::npos || end + 1 == text.size();
    const std::string_view line = text.substr(content.good, end - content.good);
    const auto inside = end == std::string_view::npos ? std::nullopt : content_of(line);
    if (!inside && last && !first) break;
    if (first && (!inside || line_of(head(digest)) != std::string(line) + "\n")) {
      return std::unexpected(fmt::format(
          "{}: no state of this sweep: it was begun with another scenario, other values, or "
          "another version of baton",
          file));
    }
    if (!inside) {
      return std::unexpected(fmt::format("{}: byte {}: a damaged line", file, content.good));
    }
    if (!first) {
      const auto value = parse_json(file, *inside);
      if (!value) return std::unexpected(value.error());
      std::string error;
      RunRow row = read_run_row(JsonField(*value, error));
      if (!error.empty()) return std::unexpected(fmt::format("{}: {}", file, error));
      if (!runs.insert(row.run).second) {
        return std::unexpected(fmt::format("{}: run {} is there twice", file, row.run));
      }
      content.rows.push_back(std::move(row));
    }
    first = false;
    content.good = end + 1;
  }
  return content;
}

}  // namespace

std::expected<std::vector<RunRow>, std::string> StateFile::open(const std::string& file,
                                                                const std::string& digest) {
  std::error_code error;
  std::vector<RunRow> rows;
  const bool there =
      std::filesystem::exists(file, error) && std::filesystem::file_size(file, error) != 0;
  if (there) {
    std::ifstream input(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(input), std::istreambuf_iterator<char>()};
    if (!input) return std::unexpected(fmt::format("{}: cannot be read", file));
    auto content = read(file, text, digest);
    if (!content) return std::unexpected(content.error());
    if (content->good != text.size()) std::filesystem::resize_file(file, content->good, error);
    if (error) return std::unexpected(fmt::format("{}: cannot be written", file));
    rows = std::move(content->rows);
  }
  stream_.open(file, std::ios::binary | std::ios::app);
  if (!there) stream_ << line_of(head(digest)) << std::flush;
  if (!stream_) return std::unexpected(fmt::format("{}: cannot be written", file));
  return rows;
}

bool StateFile::append(const RunRow& row) {
  stream_ << line_of(run_row_value(row)) << std::flush;
  return static_cast<bool>(stream_);
}

}  // namespace baton::harness
