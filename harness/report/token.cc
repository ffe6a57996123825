#include "harness/report/token.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

namespace baton::harness {
namespace {

constexpr std::string_view kVersion = "bt1";
constexpr std::string_view kDigits = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t kDigestDigits = 8;

std::string check_of(std::string_view body) {
  const std::uint64_t hash = XXH3_64bits(body.data(), body.size());
  std::string check;
  for (unsigned i = 0; i < 4; ++i) check.push_back(kDigits[hash >> 5 * i & 31]);
  return check;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

}  // namespace

std::string base32(std::string_view bytes) {
  std::string digits;
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char byte : bytes) {
    bits = bits << 8 | static_cast<std::uint8_t>(byte);
    held += 8;
    while (held >= 5) {
      held -= 5;
      digits.push_back(kDigits[bits >> held & 31]);
    }
    bits &= (1U << held) - 1;
  }
  if (held != 0) digits.push_back(kDigits[bits << (5 - held) & 31]);
  return digits;
}

std::expected<std::string, std::string> from_base32(std::string_view digits) {
  std::string bytes;
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char digit : digits) {
    const std::size_t value = kDigits.find(digit);
    if (value == std::string_view::npos) return wrong(fmt::format("'{}' is no digit of it", digit));
    bits = bits << 5 | static_cast<std::uint32_t>(value);
    held += 5;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<char>(bits >> held & 0xFF));
    }
    bits &= (1U << held) - 1;
  }
  if (held >= 5 || bits != 0) return wrong("it is cut off");
  return bytes;
}

std::string format_token(const Token& token) {
  std::string body = fmt::format("{}-{}-{}", kVersion, token.digest, token.seed);
  if (!token.overrides.empty()) {
    body += fmt::format("-{}", base32(fmt::format("{}", fmt::join(token.overrides, "\n"))));
  }
  return fmt::format("{}-{}", body, check_of(body));
}

std::expected<Token, std::string> parse_token(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, '-');
  if (parts.front() != kVersion) {
    return wrong(fmt::format("a token begins with \"{}-\"", kVersion));
  }
  if (parts.size() != 4 && parts.size() != 5) {
    return wrong("a token has the form bt1-DIGEST-SEED[-OVERRIDES]-CHECK");
  }
  if (check_of(text.substr(0, text.rfind('-'))) != parts.back()) {
    return wrong("its check digits are wrong: a digit is mistyped or missing");
  }
  Token token;
  token.digest = parts[1];
  const bool hexadecimal = token.digest.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (token.digest.size() != kDigestDigits || !hexadecimal) {
    return wrong("its digest is not 8 hexadecimal digits");
  }
  const char* end = parts[2].data() + parts[2].size();
  const auto [read_to, error] = std::from_chars(parts[2].data(), end, token.seed);
  if (error != std::errc() || read_to != end) return wrong("its seed is not a number of 64 bits");
  if (parts.size() == 5) {
    const auto overrides = from_base32(parts[3]);
    if (!overrides)
      return wrong(fmt::format("its overrides cannot be read: {}", overrides.error()));
    for (const std::string_view one : split(*overrides, '\n')) token.overrides.emplace_back(one);
  }
  return token;
}

std::string scenario_digest(const Loaded& loaded) {
  std::string bytes = loaded.text;
  bytes.push_back('\0');
  std::ifstream stream(loaded.scenario.machine.lspci_path, std::ios::binary);
  std::ostringstream dump;
  if (stream) dump << stream.rdbuf();
  bytes += dump.str();
  const std::uint64_t hash = XXH3_64bits(bytes.data(), bytes.size());
  return fmt::format("{:08x}", static_cast<std::uint32_t>(hash));
}

}  // namespace baton::harness
