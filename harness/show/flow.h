// The course of a live update as a sequence chart: who asks whom for what, in order. Actors are the
// columns in which the posted series draw theirs: user space, LUO, iommufd, VFIO, PCI core, IOMMU
// core and driver, hardware. The handlers of memfds and KHO stand with LUO.
//
// A step is an arrow from one actor to another, or something that an actor does by itself. What
// repeats (a write to one table after the other, one request of a device after the other) is one
// step with a count. The chart begins with the first thing that has to do with a live update.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/record/observer.h"
#include "model/linux/kernel/observations.h"
#include "model/luo/observations.h"
#include "model/pci/observations.h"

namespace baton::harness {

enum class FlowActor : std::uint8_t {
  kUserspace,
  kLuo,
  kIommufd,
  kVfio,
  kPci,
  kIommu,
  kHardware,
};
inline constexpr std::size_t kFlowActors = 7;
std::string_view name(FlowActor actor);

struct FlowStep {
  enum class Kind : std::uint8_t { kCall, kAnswer, kNote, kBreak };  // kBreak: a line across
  Kind kind = Kind::kNote;
  sim::Time time;
  unsigned generation = 0;
  FlowActor from = FlowActor::kUserspace;
  FlowActor to = FlowActor::kUserspace;  // `from` for a note
  std::string text;
  std::uint64_t times = 1;
};

class Flow final : public RunObserver {
 public:
  // A longer chart is nothing to look at; what comes after is counted.
  static constexpr std::size_t kStepsMax = 4000;

  void attach(Watch& watch, const Scenario& scenario) override;
  const std::vector<FlowStep>& steps() const { return steps_; }
  std::uint64_t left_out() const { return left_out_; }

 private:
  void call(FlowActor from, FlowActor to, std::string text);
  void answer(FlowActor from, FlowActor to, std::string text);
  void note(FlowActor actor, std::string text);
  void line(std::string text);
  void add(FlowStep step);
  // What was noted since the last call of user space or a handler belongs to this call, which is
  // published when it has been made.
  void call_around(FlowActor from, FlowActor to, std::string text, std::string answer);
  void tell_dma();
  bool is_about_update(const linux::SystemCallMade& seen) const;

  void on_system_call(const linux::SystemCallMade& seen);
  void on_config(const pci::ConfigWritten& seen);
  void subscribe_to_kernels();
  void subscribe_to_luo();
  void subscribe_to_kernel_parts();
  void subscribe_to_hardware();

  Watch* watch_ = nullptr;
  std::vector<FlowStep> steps_;
  std::uint64_t left_out_ = 0;
  unsigned generation_ = 0;
  bool begun_ = false;
  std::size_t since_ = 0;  // index of the first step that the next handler call encloses
  struct Requests {
    std::uint64_t arrived = 0;
    std::uint64_t refused = 0;
  };
  std::vector<Requests> requests_;  // by watched device, since the last line across
};

std::string format_flow(const Flow& flow);
std::string format_flow_svg(const Flow& flow, std::string_view title);
std::string format_flow_json(const Flow& flow);

}  // namespace baton::harness
