// The sleeping locks of LUO [linux kernel/locking/mutex.c, rwsem.c]: first come, first served, and
// a waiting writer holds new readers off. Guards release in their destructor, also when a frame
// dies.
//
// The kernel's list locks and per-file mutexes guard sections that never sleep here; they are not
// modelled.
#pragma once

#include <utility>

#include "sim/actor.h"

namespace baton::luo {

class RwLock {
 public:
  class ReadGuard {
   public:
    ReadGuard() = default;  // of no lock
    explicit ReadGuard(RwLock& lock) : lock_(&lock) {}
    ReadGuard(ReadGuard&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}
    ReadGuard& operator=(ReadGuard&&) = delete;
    ~ReadGuard() {
      if (lock_ != nullptr && --lock_->readers_ == 0) {
        lock_->queue_.wake_all();
      }
    }

   private:
    RwLock* lock_ = nullptr;
  };

  Co<ReadGuard> read(sim::Context& context) {
    while (writer_ || writers_waiting_ > 0) {
      sim::WaitNode node(context, context.actor(), "rwsem-read");
      co_await queue_.wait(context, node);
    }
    ++readers_;
    co_return ReadGuard(*this);
  }

  // Held until unlock(), or for ever.
  Co<> write(sim::Context& context) {
    ++writers_waiting_;
    while (writer_ || readers_ > 0) {
      sim::WaitNode node(context, context.actor(), "rwsem-write");
      co_await queue_.wait(context, node);
    }
    --writers_waiting_;
    writer_ = true;
  }

  void unlock() {
    writer_ = false;
    queue_.wake_all();
  }

 private:
  unsigned readers_ = 0;
  unsigned writers_waiting_ = 0;
  bool writer_ = false;
  sim::WaitQueue queue_;
};

class Mutex {
 public:
  class Guard {
   public:
    explicit Guard(Mutex& mutex) : mutex_(&mutex) {}
    Guard(Guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (mutex_ != nullptr) {
        mutex_->locked_ = false;
        mutex_->queue_.wake_one();
      }
    }

   private:
    Mutex* mutex_;
  };

  Co<Guard> lock(sim::Context& context) {
    while (locked_) {
      sim::WaitNode node(context, context.actor(), "mutex");
      co_await queue_.wait(context, node);
    }
    locked_ = true;
    co_return Guard(*this);
  }
  // A mutex_trylock() would fail.
  bool held() const { return locked_; }

 private:
  bool locked_ = false;
  sim::WaitQueue queue_;
};

}  // namespace baton::luo
