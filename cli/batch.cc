#include "cli/batch.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

namespace baton::cli {
namespace {

constexpr std::chrono::milliseconds kTick{100};

class Pool {
 public:
  explicit Pool(const Batch& batch) : batch_(batch), slots_(batch.count) {}

  std::vector<harness::RunResult> run() {
    std::vector<std::jthread> workers;
    const std::size_t count = std::min<std::size_t>(std::max(1U, batch_.jobs), batch_.count);
    for (std::size_t i = 0; i < count; ++i) {
      workers.emplace_back([this] { work(); });
    }
    std::vector<harness::RunResult> results;
    std::exception_ptr error;
    try {
      collect(results);
    } catch (...) {
      error = std::current_exception();
    }
    stop();
    workers.clear();  // joins
    if (error) std::rethrow_exception(error);
    return results;
  }

 private:
  struct Slot {
    bool done = false;
    std::optional<harness::RunResult> result;  // none: not started, or it threw
    std::exception_ptr error;
  };

  void work() {
    for (;;) {
      std::size_t index = 0;
      {
        const std::scoped_lock lock(mutex_);
        if (stopped_ || next_ == slots_.size()) return;
        index = next_++;
      }
      Slot slot;
      try {
        slot.result = batch_.run(index);
      } catch (...) {
        slot.error = std::current_exception();
      }
      slot.done = true;
      const std::scoped_lock lock(mutex_);
      slots_[index] = std::move(slot);
      changed_.notify_all();
    }
  }

  void collect(std::vector<harness::RunResult>& results) {
    for (std::size_t index = 0; index < slots_.size(); ++index) {
      std::optional<harness::RunResult> result = wait_for(index);
      if (!result) return;
      results.push_back(std::move(*result));
      batch_.done(results.back());
      if (batch_.fail_fast && !results.back().passed()) return;
    }
  }

  // Nothing when the user interrupted before this one was started.
  std::optional<harness::RunResult> wait_for(std::size_t index) {
    std::unique_lock lock(mutex_);
    while (!slots_[index].done) {
      if (batch_.interrupted()) stopped_ = true;
      if (stopped_ && index >= next_) return std::nullopt;
      changed_.wait_for(lock, kTick);
      if (slots_[index].done) break;
      lock.unlock();
      batch_.waiting();
      lock.lock();
    }
    if (slots_[index].error) std::rethrow_exception(slots_[index].error);
    return std::move(slots_[index].result);
  }

  void stop() {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
  }

  const Batch& batch_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Slot> slots_;
  std::size_t next_ = 0;
  bool stopped_ = false;
};

}  // namespace

std::vector<harness::RunResult> run_batch(const Batch& batch) { return Pool(batch).run(); }

}  // namespace baton::cli
