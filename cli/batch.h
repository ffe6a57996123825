// Many runs, several at once: one simulation per thread, results told in the order in which the
// runs were given, whatever ends first.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "harness/report/run_result.h"

namespace baton::cli {

struct Batch {
  std::size_t count = 0;
  unsigned jobs = 1;
  bool fail_fast = false;
  // Called on any thread; throws when something is wrong with baton itself.
  std::function<harness::RunResult(std::size_t index)> run;
  // Called on the caller's thread: with each result, in order; and now and then while waiting.
  std::function<void(const harness::RunResult& result)> done;
  std::function<void()> waiting;
  std::function<bool()> interrupted;
};

// The results that there are: all, or those up to the first failure (fail_fast), or those that had
// been started when the user interrupted.
std::vector<harness::RunResult> run_batch(const Batch& batch);

}  // namespace baton::cli
