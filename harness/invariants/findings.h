// Where checkers report. The first violations of each invariant are kept whole, all are counted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/invariants/violation.h"

namespace baton::harness {

class Findings {
 public:
  static constexpr std::uint64_t kKept = 4;

  // False when this invariant's kept violations are complete: the caller need not build a chain.
  bool wants_detail(std::string_view id) const;
  void report(Violation violation);
  // A violation that is only counted.
  void count_more(std::string_view id) { ++counts_[std::string(id)]; }

  std::uint64_t count(std::string_view id) const;
  // In the order of discovery.
  const std::vector<Violation>& kept() const { return kept_; }

 private:
  std::vector<Violation> kept_;
  std::map<std::string, std::uint64_t, std::less<>> counts_;
  std::map<std::string, std::uint64_t, std::less<>> kept_of_;
};

}  // namespace baton::harness
