// Values with units are read exactly, in integers, and a unit is mandatory.

#include "harness/scenario/units.h"

using namespace baton::harness;

TEST_CASE("a size has a binary or a decimal unit") {
  CHECK(parse_size("0B") == 0U);
  CHECK(parse_size("64KiB") == 65536U);
  CHECK(parse_size("1.5MiB") == 1572864U);
  CHECK(parse_size("2GB") == 2'000'000'000U);
  CHECK(parse_size("64GiB") == 68'719'476'736U);
}

TEST_CASE("a duration is read in picoseconds") {
  CHECK(parse_duration("10ms") == 10'000'000'000U);
  CHECK(parse_duration("1.312777ms") == 1'312'777'000U);
  CHECK(parse_duration("2s") == 2'000'000'000'000U);
}

TEST_CASE("a rate is a size per second") {
  CHECK(parse_rate("100MB/s") == 100'000'000U);
  CHECK_FALSE(parse_rate("100MB").has_value());
}

TEST_CASE("a number alone, an unknown unit and a fraction of a byte are refused") {
  CHECK(parse_size("64").error().find("unit is missing") != std::string::npos);
  CHECK(parse_size("64Gib").error().find("unknown unit") != std::string::npos);
  CHECK(parse_size("1.5B").error() == "not a whole number of B");
  CHECK_FALSE(parse_size("").has_value());
  CHECK_FALSE(parse_size("-1B").has_value());
  CHECK_FALSE(parse_size("1.B").has_value());
  CHECK_FALSE(parse_size("99999999999999999999B").has_value());
  CHECK_FALSE(parse_size("99999999TiB").has_value());
  CHECK_FALSE(parse_duration("1.0000000001s").has_value());
}

TEST_CASE("a number may be hexadecimal and is never read in part") {
  CHECK(parse_number("0x6a") == 0x6AU);
  CHECK(parse_number("106") == 106U);
  CHECK_FALSE(parse_number("6a").has_value());
  CHECK_FALSE(parse_number("0x").has_value());
  CHECK_FALSE(parse_number("").has_value());
}

TEST_CASE("sizes are written in the largest unit that is exact") {
  CHECK(format_size(65536) == "64KiB");
  CHECK(format_size(1) == "1B");
  CHECK(format_size(0) == "0B");
}

TEST_CASE("durations and rates are written in the largest unit that is exact") {
  CHECK(format_duration(3'600'000'000'000'000) == "3600s");
  CHECK(format_duration(1'500'000'000) == "1500us");
  CHECK(format_duration(7) == "7ps");
  CHECK(format_duration(0) == "0s");
  CHECK(format_rate(100'000'000) == "100MB/s");
  CHECK(format_rate(1) == "1B/s");
}
