// A work queue: descriptors that software submitted and no engine has taken yet.
#pragma once

#include <array>
#include <cstdint>

#include "model/devices/dsa/descriptor.h"
#include "model/devices/dsa/registers.h"
#include "sim/check.h"

namespace baton::devices::dsa {

// A descriptor that was accepted, on its way from its queue to its completion record.
struct Work {
  Descriptor descriptor;
  std::uint64_t ticket = 0;  // order of acceptance, over all queues
  std::uint32_t wq = 0;
};

class WorkQueue {
 public:
  std::uint32_t occupancy() const { return count_; }
  bool empty() const { return count_ == 0; }
  const Work& front() const { return entries_[head_]; }

  void push(const Work& work) {
    BATON_CHECK(count_ < entries_.size(), "a work queue beyond the total of entries");
    entries_[(head_ + count_) % entries_.size()] = work;
    ++count_;
  }
  Work pop() {
    const Work work = entries_[head_];
    head_ = static_cast<std::uint32_t>((head_ + 1) % entries_.size());
    --count_;
    ++in_progress_;
    return work;
  }
  void retire() { --in_progress_; }
  // Descriptors that engines took and have not ended.
  std::uint32_t in_progress() const { return in_progress_; }

  // Forgets what is queued.
  void abandon() { count_ = 0; }
  void clear() {
    count_ = 0;
    in_progress_ = 0;
  }

 private:
  std::array<Work, kTotalWqSize> entries_;
  std::uint32_t head_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t in_progress_ = 0;
};

}  // namespace baton::devices::dsa
