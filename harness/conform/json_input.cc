#include "harness/conform/json_input.h"

#include <fmt/format.h>

#include <boost/iostreams/filter/gzip.hpp>
#include <boost/iostreams/filtering_streambuf.hpp>
#include <boost/json/stream_parser.hpp>
#include <charconv>
#include <fstream>
#include <istream>
#include <sstream>

namespace baton::harness {

namespace {

namespace json = boost::json;
namespace io = boost::iostreams;

// Larger than any record there is; a few bytes of gzip can claim to be more than memory holds.
constexpr std::size_t kTextBytesMax = std::size_t{256} << 20;

std::expected<std::string, std::string> read_all(std::istream& input, const std::string& file) {
  std::string text;
  std::array<char, 65536> buffer{};
  while (input.read(buffer.data(), buffer.size()) || input.gcount() > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(input.gcount()));
    if (text.size() > kTextBytesMax) {
      return std::unexpected(fmt::format("{}: longer than {} MiB", file, kTextBytesMax >> 20));
    }
  }
  if (input.bad()) {
    return std::unexpected(fmt::format("{}: cannot be read to its end", file));
  }
  return text;
}

std::expected<std::string, std::string> unpack(const std::string& packed, const std::string& file) {
  std::istringstream from(packed);
  try {
    io::filtering_streambuf<io::input> filter;
    filter.push(io::gzip_decompressor());
    filter.push(from);
    std::istream input(&filter);
    input.exceptions(std::ios::badbit);  // the filter's own words, not a silent end
    return read_all(input, file);
  } catch (const std::exception& error) {
    return std::unexpected(fmt::format("{}: damaged gzip data: {}", file, error.what()));
  }
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// All of `text` in base 16.
std::optional<std::uint64_t> hexadecimal(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  const bool whole = error == std::errc{} && end == text.data() + text.size() && !text.empty();
  return whole ? std::optional(value) : std::nullopt;
}

}  // namespace

std::expected<json::value, std::string> parse_json(const std::string& file, std::string_view text) {
  json::stream_parser parser;
  boost::system::error_code error;
  std::size_t used = parser.write_some(text.data(), text.size(), error);
  if (!error && text.find_first_not_of(" \t\r\n", used) != std::string_view::npos) {
    error = json::error::extra_data;
  }
  if (!error && !parser.done()) {
    error = json::error::incomplete;
    used = text.size();
  }
  if (error) {
    const std::string_view before = text.substr(0, used);
    const auto line = 1 + std::ranges::count(before, '\n');
    const std::size_t start = before.rfind('\n');
    const std::size_t column = used - (start == std::string_view::npos ? 0 : start + 1) + 1;
    return std::unexpected(
        fmt::format("{}:{}:{}: no JSON: {}", file, line, column, error.message()));
  }
  return parser.release();
}

std::expected<json::value, std::string> load_json(const std::string& file) {
  std::ifstream input(file, std::ios::binary);
  if (!input) {
    return std::unexpected(fmt::format("{}: cannot be opened", file));
  }
  auto text = read_all(input, file);
  if (text && text->starts_with("\x1f\x8b")) {
    text = unpack(*text, file);
  }
  if (!text) {
    return std::unexpected(text.error());
  }
  return parse_json(file, *text);
}

std::string hex_of(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string result;
  result.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    result += kDigits[std::to_integer<std::size_t>(b >> 4)];
    result += kDigits[std::to_integer<std::size_t>(b & std::byte{15})];
  }
  return result;
}

void JsonField::fail(std::string_view what) const {
  if (error_->empty()) {
    *error_ = fmt::format("{}: {}", path_.empty() ? "document" : path_, what);
  }
}

const json::value* JsonField::find(std::string_view key) const {
  const json::object* object = value_ == nullptr ? nullptr : value_->if_object();
  return object == nullptr ? nullptr : object->if_contains(key);
}

JsonField JsonField::at(std::string_view key) const {
  const std::string path = path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  const JsonField field(find(key), path, error_);
  if (field.value_ == nullptr && value_ != nullptr) {
    if (value_->is_object()) {
      field.fail("missing");
    } else {
      fail("must be an object");
    }
  }
  return field;
}

std::optional<JsonField> JsonField::maybe(std::string_view key) const {
  return has(key) ? std::optional(at(key)) : std::nullopt;
}

std::vector<JsonField> JsonField::items() const {
  std::vector<JsonField> result;
  const json::array* array = value_ == nullptr ? nullptr : value_->if_array();
  if (array == nullptr) {
    if (value_ != nullptr) fail("must be a list");
    return result;
  }
  result.reserve(array->size());
  for (const json::value& item : *array) {
    result.push_back({&item, fmt::format("{}[{}]", path_, result.size()), error_});
  }
  return result;
}

std::vector<std::pair<std::string, JsonField>> JsonField::members() const {
  std::vector<std::pair<std::string, JsonField>> result;
  const json::object* object = value_ == nullptr ? nullptr : value_->if_object();
  if (object == nullptr) {
    if (value_ != nullptr) fail("must be an object");
    return result;
  }
  for (const auto& member : *object) {
    const std::string key(member.key());
    result.emplace_back(key, at(key));
  }
  return result;
}

const json::array* JsonField::array() const {
  const json::array* array = value_ == nullptr ? nullptr : value_->if_array();
  if (array == nullptr && value_ != nullptr) fail("must be a list");
  return array;
}

std::string JsonField::text() const {
  const json::string* string = value_ == nullptr ? nullptr : value_->if_string();
  if (string == nullptr) {
    if (value_ != nullptr) fail("must be text");
    return {};
  }
  return std::string(*string);
}

bool JsonField::boolean() const {
  const bool* found = value_ == nullptr ? nullptr : value_->if_bool();
  if (found == nullptr) {
    if (value_ != nullptr) fail("must be true or false");
    return false;
  }
  return *found;
}

std::uint64_t JsonField::number(std::uint64_t maximum) const {
  if (value_ == nullptr) {
    return 0;
  }
  std::optional<std::uint64_t> result;
  if (const json::string* string = value_->if_string()) {
    const std::string_view text = *string;
    result = text.starts_with("0x") ? hexadecimal(text.substr(2)) : std::nullopt;
  } else if (const std::uint64_t* natural = value_->if_uint64()) {
    result = *natural;
  } else if (const std::int64_t* whole = value_->if_int64(); whole != nullptr && *whole >= 0) {
    result = static_cast<std::uint64_t>(*whole);
  }
  if (!result) {
    fail("must be a natural number, or text 0x...");
    return 0;
  }
  if (*result > maximum) {
    fail(fmt::format("{:#x} is larger than {:#x}", *result, maximum));
    return 0;
  }
  return *result;
}

std::vector<std::byte> JsonField::bytes() const {
  const std::string hex = text();
  std::vector<std::byte> result(hex.size() / 2);
  bool good = hex.size() % 2 == 0;
  for (std::size_t i = 0; i < result.size() && good; ++i) {
    const int high = digit(hex[2 * i]);
    const int low = digit(hex[2 * i + 1]);
    good = high >= 0 && low >= 0;
    if (good) {
      result[i] = static_cast<std::byte>(high * 16 + low);
    }
  }
  if (!good) {
    fail("must be pairs of hexadecimal digits");
    return {};
  }
  return result;
}

Bdf JsonField::bdf() const {
  const std::string name = text();
  if (value_ == nullptr || name.empty()) {
    if (value_ != nullptr) fail("must be an address like 03:01.0");
    return {};
  }
  const std::string_view view = name;
  if (view.size() == 7 && view[2] == ':' && view[5] == '.') {
    const auto bus = hexadecimal(view.substr(0, 2));
    const auto device = hexadecimal(view.substr(3, 2));
    const auto function = hexadecimal(view.substr(6, 1));
    if (bus && device && function && *device < 32 && *function < 8) {
      return {static_cast<unsigned>(*bus), static_cast<unsigned>(*device),
              static_cast<unsigned>(*function)};
    }
  }
  fail("must be an address like 03:01.0");
  return {};
}

}  // namespace baton::harness
