// The end of a trace, in one block of memory that is given away whenever it is full and used again.
// A trace that is kept whole costs four times as much an event, most of it for memory that is
// touched the first time (docs/performance.md); given away, a long run's trace needs no memory.
// Packets are whole in what is given away.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace baton::harness {

// Takes the next bytes of a trace.
using TraceSink = std::function<void(std::string_view)>;

class TraceBlock {
 public:
  static constexpr std::size_t kSize = std::size_t{64} << 10;

  // Without a sink, the bytes are kept.
  explicit TraceBlock(TraceSink sink) : sink_(std::move(sink)), block_(kSize, '\0') {}

  // Where the next packet goes, with room for so many bytes.
  char* room(std::size_t bytes) {
    if (block_.size() - used_ < bytes) [[unlikely]]
      give_away(bytes);
    return block_.data() + used_;
  }
  // A packet is complete; it ends here.
  void add(const char* end) { used_ = static_cast<std::size_t>(end - block_.data()); }

  // Gives away the rest; what was kept.
  std::string finish() {
    give_away(0);
    return std::move(kept_);
  }

 private:
  void give_away(std::size_t next) {
    const std::string_view packets(block_.data(), used_);
    if (sink_) {
      sink_(packets);
    } else {
      kept_ += packets;
    }
    used_ = 0;
    if (block_.size() < next) block_.resize(next);
  }

  TraceSink sink_;
  std::string block_;
  std::size_t used_ = 0;
  std::string kept_;
};

}  // namespace baton::harness
