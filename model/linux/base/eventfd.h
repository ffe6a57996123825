// eventfd: a counter that interrupts add to and threads wait for [linux fs/eventfd.c].
//
// Not modelled: EFD_SEMAPHORE, EFD_NONBLOCK, poll; a write that would overflow the counter is
// EAGAIN, as if the descriptor were non-blocking.
#pragma once

#include <cstdint>
#include <string>

#include "model/host/kernel_port.h"
#include "model/linux/base/file.h"
#include "sim/actor.h"

namespace baton::linux {

class EventFd final : public File {
 public:
  explicit EventFd(host::KernelPort& port) : context_(port.context()) {}

  // eventfd_signal(): adds one, saturating, and wakes readers. For interrupt handlers too.
  void signal();
  std::uint64_t count() const { return count_; }

  std::string name() const override { return "anon_inode:[eventfd]"; }
  // Takes the whole counter as 8 bytes; waits while it is 0. EINVAL for a shorter buffer.
  Co<Result<std::size_t>> read(Process& process, std::span<std::byte> to) override;
  // Adds. EINVAL for fewer than 8 bytes or all ones.
  Co<Result<std::size_t>> write(Process& process, std::span<const std::byte> from) override;

  // The eventfd behind a file, null for any other file (eventfd_fget: EINVAL).
  static EventFd* from_file(File& file) { return dynamic_cast<EventFd*>(&file); }

 private:
  sim::Context& context_;
  std::uint64_t count_ = 0;
  sim::WaitQueue readers_;
};

}  // namespace baton::linux
