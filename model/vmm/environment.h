// What every program of this user space stands on: the kernel it runs under, and a voice.
#pragma once

#include <fmt/format.h>

#include <expected>
#include <string_view>
#include <utility>

#include "model/linux/base/errno.h"
#include "model/linux/kernel/kernel.h"
#include "model/vmm/observations.h"
#include "sim/actor.h"

namespace baton::vmm {

class Environment {
 public:
  explicit Environment(linux::Kernel& kernel) : kernel_(kernel) {}

  linux::Kernel& kernel() { return kernel_; }
  sim::Context& context() { return kernel_.services().port().context(); }
  sim::Simulation& simulation() { return kernel_.services().port().simulation(); }
  unsigned generation() { return kernel_.services().generation(); }

  // Starts a thread of user space; it dies with its kernel.
  void spawn(Co<> body) { kernel_.services().spawn(std::move(body)); }

  template <class... Args>
  void print(sim::LogLevel level, std::string_view who, fmt::format_string<Args...> format,
             Args&&... args) {
    simulation().log().write(level, who, format, std::forward<Args>(args)...);
  }

  template <class Observation>
  void publish(const Observation& observation) {
    auto& topic = simulation().topic<Observation>();
    if (topic.active()) {
      topic.publish(observation);
    }
  }

  // Says that a step was refused, and passes the error on:
  //   if (!fd) co_return environment.failed("vm0", "memfd_create", fd.error());
  std::unexpected<linux::Errno> failed(std::string_view who, std::string_view step,
                                       linux::Errno error) {
    print(sim::LogLevel::kWarning, who, "{}: {}", step, linux::name(error));
    publish(UserStepFailed{generation(), who, step, error});
    return linux::fail(error);
  }

 private:
  linux::Kernel& kernel_;
};

}  // namespace baton::vmm
