// The fingerprint of a run: XXH3-128 over one fixed-size record per event, in execution order. It
// is equal for equal scenario and seed on every compiler and build type, whoever observes the run.
#pragma once

#include <xxhash.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

namespace baton::sim {

class Fingerprint {
 public:
  Fingerprint();
  Fingerprint(const Fingerprint&) = delete;
  Fingerprint& operator=(const Fingerprint&) = delete;

  // One event: simulated time, phase, hash of the actor's name, hash of the event's kind, digest of
  // what it carried.
  void add(std::int64_t time_ps, std::uint8_t phase, std::uint64_t actor, std::uint64_t kind,
           std::uint64_t payload) {
    *next_++ = Record{time_ps, actor ^ phase, kind, payload};
    if (next_ == records_.data() + records_.size()) {
      flush();
    }
  }

  // Events added so far.
  std::uint64_t count() const { return flushed_ + used(); }

  // 32 hexadecimal digits.
  std::string hex() const;

 private:
  struct Record {
    std::int64_t time_ps;
    std::uint64_t actor_and_phase;
    std::uint64_t kind;
    std::uint64_t payload;
  };
  struct FreeState {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };

  std::size_t used() const { return static_cast<std::size_t>(next_ - records_.data()); }
  void flush();

  std::unique_ptr<XXH3_state_t, FreeState> state_;
  std::array<Record, 128> records_;
  Record* next_ = records_.data();
  std::uint64_t flushed_ = 0;
};

}  // namespace baton::sim
