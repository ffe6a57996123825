#include "model/linux/base/eventfd.h"

#include <cstring>
#include <utility>

namespace baton::linux {

namespace {

constexpr std::uint64_t kAllOnes = ~std::uint64_t{0};
constexpr std::uint64_t kMaximum = kAllOnes - 1;

}  // namespace

void EventFd::signal() {
  if (count_ < kMaximum) {
    ++count_;
  }
  readers_.wake_all();
}

Co<Result<std::size_t>> EventFd::read(Process&, std::span<std::byte> to) {
  if (to.size() < sizeof(count_)) {
    co_return fail(Errno::kInval);
  }
  while (count_ == 0) {
    sim::WaitNode node(context_, context_.actor(), "eventfd");
    co_await readers_.wait(context_, node);
  }
  const std::uint64_t count = std::exchange(count_, 0);
  std::memcpy(to.data(), &count, sizeof(count));
  co_return sizeof(count);
}

Co<Result<std::size_t>> EventFd::write(Process&, std::span<const std::byte> from) {
  std::uint64_t value = 0;
  if (from.size() < sizeof(value)) {
    co_return fail(Errno::kInval);
  }
  std::memcpy(&value, from.data(), sizeof(value));
  if (value == kAllOnes) {
    co_return fail(Errno::kInval);
  }
  if (kMaximum - count_ < value) {
    co_return fail(Errno::kAgain);
  }
  count_ += value;
  if (count_ > 0) {
    readers_.wake_all();
  }
  co_return sizeof(value);
}

}  // namespace baton::linux
