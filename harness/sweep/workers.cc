#include "harness/sweep/workers.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace baton::harness {
namespace {

constexpr std::chrono::milliseconds kTick{100};

class Workers {
 public:
  Workers(std::uint64_t count, const std::function<void(std::uint64_t)>& work)
      : count_(count), work_(work) {}

  bool run(std::uint64_t threads, const std::function<bool()>& interrupted,
           const std::function<void()>& waiting) {
    {
      std::vector<std::jthread> workers;
      running_ = threads;
      for (std::uint64_t i = 0; i < threads; ++i) workers.emplace_back([this] { loop(); });
      std::unique_lock lock(mutex_);
      while (running_ != 0) {
        ended_.wait_for(lock, kTick);
        lock.unlock();
        if (interrupted && interrupted()) stop();
        if (waiting) waiting();
        lock.lock();
      }
    }
    if (error_) std::rethrow_exception(error_);
    return done_ == count_;
  }

 private:
  void stop() {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
  }

  void loop() {
    std::unique_lock lock(mutex_);
    while (!stopped_ && next_ != count_) {
      const std::uint64_t index = next_++;
      lock.unlock();
      std::exception_ptr error;
      try {
        work_(index);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error) {
        error_ = error;
        stopped_ = true;
      } else {
        ++done_;
      }
    }
    --running_;
    ended_.notify_all();
  }

  std::uint64_t count_;
  const std::function<void(std::uint64_t)>& work_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::uint64_t next_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t running_ = 0;
  bool stopped_ = false;
  std::exception_ptr error_;
};

}  // namespace

bool run_workers(unsigned jobs, std::uint64_t count, const std::function<bool()>& interrupted,
                 const std::function<void(std::uint64_t)>& work,
                 const std::function<void()>& waiting) {
  const std::uint64_t threads = std::min<std::uint64_t>(std::max(1U, jobs), count);
  if (threads == 0) return true;
  return Workers(count, work).run(threads, interrupted, waiting);
}

}  // namespace baton::harness
