// Reading JSON that nobody vouches for: files, plain or gzip, and fields with their path, so that
// an error says where it is.
//
// A field that is missing or of another kind is remembered once, as a sentence with its path, and
// reads as zero or empty; whoever reads looks at the error at the end.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/address.h"

namespace baton::harness {

// The error is a sentence that begins with the file's name, and with line and column where the text
// is no JSON.
std::expected<boost::json::value, std::string> load_json(const std::string& file);
// As above for text at hand.
std::expected<boost::json::value, std::string> parse_json(const std::string& file,
                                                          std::string_view text);

// Lower-case hexadecimal, lowest address first.
std::string hex_of(std::span<const std::byte> bytes);

// One value of a document and its path in it.
class JsonField {
 public:
  // `error` gets the first problem; it outlives the fields.
  JsonField(const boost::json::value& root, std::string& error) : value_(&root), error_(&error) {}

  const std::string& path() const { return path_; }
  bool has(std::string_view key) const { return find(key) != nullptr; }
  // A member that must exist.
  JsonField at(std::string_view key) const;
  std::optional<JsonField> maybe(std::string_view key) const;
  std::vector<JsonField> items() const;
  std::vector<std::pair<std::string, JsonField>> members() const;

  std::string text() const;
  bool boolean() const;
  // A JSON number, or a string "0x...", at most `maximum`.
  std::uint64_t number(std::uint64_t maximum = ~std::uint64_t{0}) const;
  std::vector<std::byte> bytes() const;  // plain hexadecimal
  Bdf bdf() const;                       // "03:01.0"

  bool is_null() const { return value_ != nullptr && value_->is_null(); }
  // The list itself, for long ones; null (and an error) for anything else.
  const boost::json::array* array() const;

  // Reports a problem of this field.
  void fail(std::string_view what) const;

 private:
  JsonField(const boost::json::value* value, std::string path, std::string* error)
      : value_(value), path_(std::move(path)), error_(error) {}
  const boost::json::value* find(std::string_view key) const;

  const boost::json::value* value_;  // null: missing, already reported
  std::string path_;
  std::string* error_;
};

}  // namespace baton::harness
