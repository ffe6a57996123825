// Replay tokens: what goes in comes out, and a mistyped one is told so.

#include "harness/report/token.h"

using namespace baton::harness;

namespace {

const Token kPlain{"7c1e09b2", 41, {}};
const Token kSet{"7c1e09b2", 18446744073709551615U, {"policies.reinject=none", "kernels[0].x=[a]"}};

std::string error_of(std::string_view text) {
  const auto token = parse_token(text);
  return token ? "good" : token.error();
}

}  // namespace

TEST_CASE("a token holds digest, seed and overrides, and reads back as written") {
  for (const Token& token : {kPlain, kSet}) {
    const std::string text = format_token(token);
    INFO(text);
    const auto read = parse_token(text);
    REQUIRE(read);
    CHECK(*read == token);
  }
  CHECK(format_token(kPlain).starts_with("bt1-7c1e09b2-41-"));
}

TEST_CASE("any one wrong character of a token is noticed") {
  const std::string good = format_token(kSet);
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char other : {'0', '7', 'z', '-'}) {
      if (good[at] == other) continue;
      std::string bad = good;
      bad[at] = other;
      INFO(bad);
      CHECK(error_of(bad) != "good");
    }
    std::string shorter = good;
    shorter.erase(at, 1);
    INFO(shorter);
    CHECK(error_of(shorter) != "good");
  }
}

TEST_CASE("what is wrong with a token is said") {
  CHECK(error_of("bt2-7c1e09b2-41-0000") == "a token begins with \"bt1-\"");
  CHECK(error_of("bt1-7c1e09b2") == "a token has the form bt1-DIGEST-SEED[-OVERRIDES]-CHECK");
  std::string mistyped = format_token(kPlain);
  mistyped[5] = mistyped[5] == '1' ? '2' : '1';
  CHECK(error_of(mistyped) == "its check digits are wrong: a digit is mistyped or missing");
  CHECK(error_of(format_token({"7C1E09B2", 1, {}})) == "its digest is not 8 hexadecimal digits");
  CHECK(error_of("").starts_with("a token begins"));
}

TEST_CASE("base 32 gives back any bytes, and refuses what it never writes") {
  for (const std::string& text : std::vector<std::string>{"", "a", "ab", "abc", "abcd", "abcde",
                                                          std::string("\0\xff\x80", 3)}) {
    const auto back = from_base32(base32(text));
    REQUIRE(back);
    CHECK(*back == text);
  }
  CHECK_FALSE(from_base32("u"));
  CHECK_FALSE(from_base32("0"));
  CHECK_FALSE(from_base32("zz"));
}
