#include "harness/run/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "harness/invariants/guest_memory.h"
#include "harness/invariants/interrupt_book.h"
#include "harness/invariants/watch.h"
#include "harness/report/text_report.h"
#include "harness/report/token.h"
#include "harness/run/differential.h"
#include "harness/run/host_builder.h"
#include "harness/run/judge.h"
#include "harness/run/machine_changes.h"
#include "harness/run/operator.h"
#include "harness/run/recorder.h"
#include "model/host/observations.h"
#include "model/linux/kernel/kernel.h"
#include "model/vmm/user_space.h"

namespace baton::harness {
namespace {

// How often an interruption is noticed.
constexpr sim::Duration kSlice = sim::Duration::milliseconds(10);
// What the run goes on for when its last step is done: guests verify what was copied meanwhile.
constexpr sim::Duration kTail = sim::Duration::milliseconds(200);
// How long a step may take: a boot and user space take a good second. VMs are set up one after the
// other, and each of their devices is reset: 100 ms and more.
constexpr sim::Duration kStepLimit = sim::Duration::seconds(5);
constexpr std::size_t kDevicesWithin = 16;
constexpr sim::Duration kDeviceLimit = sim::Duration::milliseconds(200);

vmm::UserConfig user_config(const Scenario& scenario) {
  vmm::UserConfig config;
  config.processes = scenario.processes;
  for (const VmSpec& spec : scenario.vms) {
    vmm::VmConfig vm;
    vm.name = spec.name;
    vm.memory = spec.memory;
    vm.device = spec.device;
    vm.workload = spec.workload;
    vm.carried = spec.carried;
    vm.releases_interrupts = spec.releases_interrupts;
    vm.core_period = spec.core_period;
    vm.vcpu_exit = spec.vcpu_exit;
    vm.vcpu_entry = spec.vcpu_entry;
    vm.kernel_finds_interrupts = std::ranges::any_of(scenario.kernels, [](const KernelSpec& one) {
      const linux::InterruptPolicy policy = one.config.policies.interrupts;
      return policy == linux::InterruptPolicy::kPostedCapture ||
             policy == linux::InterruptPolicy::kRemember;
    });
    for (const std::size_t device : spec.devices) {
      vm.devices.push_back(scenario.machine.add[device].address);
    }
    config.vms.push_back(std::move(vm));
  }
  for (std::size_t i = 0; i < scenario.machine.add.size(); ++i) {
    const AddedDevice& device = scenario.machine.add[i];
    const bool used = std::ranges::any_of(
        scenario.machine.add, [i](const AddedDevice& other) { return other.physical == i; });
    if (used) config.physical_functions.push_back({device.address, device.vfs});
  }
  for (std::size_t next = 1; next <= std::max<std::size_t>(1, scenario.generations()); ++next) {
    config.next_kernels.push_back(
        {std::min(next, scenario.kernels.size() - 1), scenario.kernel(next).command_line});
  }
  config.reinject.clear();
  config.interrupts.clear();
  for (const KernelSpec& kernel : scenario.kernels) {
    config.reinject.push_back(kernel.config.policies.reinject);
    config.interrupts.push_back(kernel.config.policies.interrupts);
  }
  config.auto_restore = std::ranges::none_of(scenario.script, [](const ScriptStep& step) {
    return step.action == Action::kRetrieve || step.action == Action::kFinish;
  });
  return config;
}

// What processes give their devices in one descriptor is not known; it is taken to be no longer.
constexpr std::uint64_t kLongestWork = std::uint64_t{2} << 20;

// Of at most 2 MiB, as workloads have them.
sim::Duration time_of(std::uint64_t bytes, std::uint64_t bytes_per_second) {
  const std::uint64_t rate = std::max<std::uint64_t>(1, bytes_per_second);
  return sim::Duration::picoseconds(static_cast<std::int64_t>(bytes * 1'000'000'000'000 / rate));
}

std::vector<WatchedDevice> watched_devices(const Scenario& scenario, const BuiltHost& host) {
  std::vector<WatchedDevice> result;
  for (const VmSpec& vm : scenario.vms) {
    for (const std::size_t device : vm.devices) {
      WatchedDevice watched;
      watched.passive = device != vm.devices.front();
      watched.function = host.added[device];
      watched.vm = vm.name;
      // At its rate the device needs this long for a page; it may be busy with two of them.
      watched.stall_bound += time_of(sim::kPageSize, vm.bytes_per_second) * 2;
      watched.in_flight = time_of(vm.workload.size, vm.bytes_per_second);
      result.push_back(watched);
    }
  }
  for (std::size_t i = 0; i < scenario.machine.add.size(); ++i) {
    const AddedDevice& device = scenario.machine.add[i];
    if (device.session.empty()) continue;
    WatchedDevice watched;
    watched.function = host.added[i];
    watched.vm = device.session;
    watched.of_process = true;
    // Without a rate a page takes the hardware a microsecond, and the bound has room for that.
    if (const std::uint64_t rate = device.bytes_per_second; rate != 0) {
      watched.stall_bound += time_of(sim::kPageSize, rate) * 2;
      watched.in_flight = time_of(kLongestWork, rate);
    }
    result.push_back(watched);
  }
  return result;
}

// The tightest bound that the scenario sets to guest_pause, else the default.
sim::Duration pause_budget(const Scenario& scenario) {
  std::optional<std::uint64_t> tightest;
  for (const Expectation& expectation : scenario.expect) {
    if (expectation.kind != ExpectationKind::kMeasure || !expectation.below) continue;
    if (expectation.ids.front() != "guest_pause") continue;
    tightest = std::min(tightest.value_or(*expectation.below), *expectation.below);
  }
  if (!tightest) return kDefaultPauseBudget;
  return sim::Duration::picoseconds(static_cast<std::int64_t>(*tightest));
}

std::vector<linux::Pieces> pieces_of(const Scenario& scenario) {
  std::vector<linux::Pieces> pieces;
  for (const KernelSpec& kernel : scenario.kernels) pieces.push_back(kernel.config.pieces);
  return pieces;
}

std::string host_text(const Scenario& scenario, const BuiltHost& host) {
  std::string text = fmt::format(
      "{} ({} functions)", std::filesystem::path(scenario.machine.lspci_path).filename().string(),
      host.imported);
  for (const AddedDevice& device : scenario.machine.add) {
    text += fmt::format(", {} at {}", device.name, sim::to_string(device.address));
  }
  if (scenario.machine.cpus != 1) text += fmt::format(", {} CPUs", scenario.machine.cpus);
  return text + fmt::format(", {} of memory, VT-d {} mode{}", format_bytes(scenario.machine.memory),
                            scenario.machine.scalable_iommu ? "scalable" : "legacy",
                            scenario.machine.interrupt_remapping ? ", interrupt remapping" : "");
}

std::vector<std::string> kernel_texts(const Scenario& scenario) {
  std::vector<std::string> result;
  for (std::size_t generation = 0; generation < scenario.generations(); ++generation) {
    const KernelSpec& kernel = scenario.kernel(generation);
    std::string text = fmt::format("{} {}", generation, kernel.config.preset);
    if (!kernel.pieces.empty()) text += fmt::format(" with {}", kernel.pieces);
    if (kernel.chimera) text += " (chimera)";
    for (const linux::DefectRow& row : linux::defect_rows()) {
      if (kernel.config.defects.has(row.defect)) text += fmt::format(" with defect {}", row.id);
    }
    result.push_back(std::move(text));
  }
  return result;
}

std::vector<DefectPlace> defect_places(const Node& root) {
  std::vector<DefectPlace> result;
  const auto add = [&result](const Node* list) {
    if (list == nullptr) return;
    if (list->kind == Node::Kind::kScalar) result.push_back({list->text, list->at});
    for (const Node& item : list->items) result.push_back({item.text, item.at});
  };
  add(root.find("defects"));
  if (const Node* kernels = root.find("kernels")) {
    for (const Node& kernel : kernels->items) add(kernel.find("defects"));
  }
  return result;
}

std::string guest_text(const std::string& vm, const vmm::GuestStatus& status) {
  std::string text = fmt::format(
      "guest {}: {} batches done, {} copied, {} verified, {} words wrong, {} interrupts ({} "
      "spurious, {} lost), longest stall {}",
      vm, status.batches_done, format_bytes(status.bytes_copied),
      format_bytes(status.bytes_verified), status.mismatches, status.interrupts,
      status.interrupts_spurious, status.interrupts_lost,
      sim::to_string(sim::Duration::picoseconds(
          static_cast<std::int64_t>(std::min<std::uint64_t>(status.longest_stall_ps, INT64_MAX)))));
  if (status.batches_lost != 0 || status.driver_resets != 0) {
    text += fmt::format(", {} batches lost in {} driver resets", status.batches_lost,
                        status.driver_resets);
  }
  if (status.failure != vmm::GuestFailure::kNone) {
    text += fmt::format(", GAVE UP: failure {} ({:#x})", static_cast<unsigned>(status.failure),
                        status.failure_detail);
  }
  return text;
}

// Stands for the end of a slice when events are taken one by one. Phase check is no part of the
// fingerprint.
class SliceEnd final : public sim::Event {
 public:
  explicit SliceEnd(sim::ActorId actor) : Event(actor, "slice-end", sim::Phase::kCheck) {}

 private:
  void fire() override {}
};

}  // namespace

// One run. Members are declared so that observers outlive what they observe.
class ScenarioRun::Impl {
 public:
  Impl(const Loaded& loaded, RunOptions options)
      : loaded_(loaded), options_(std::move(options)), simulation_(options_.seed) {
    // The host is built from a copy, because building may add diagnostics; there are none.
    host_ = build_host(simulation_, loaded_);
    BATON_CHECK(loaded_.good(), "a scenario runs that was not checked");
    World world{simulation_,
                *host_.machine,
                watched_devices(scenario(), host_),
                pause_budget(scenario()),
                scenario().processes,
                loaded_.file,
                pieces_of(scenario())};
    watch_ = std::make_unique<Watch>(std::move(world));
    recorder_ = std::make_unique<Recorder>(*watch_);
    stage_ = std::make_unique<StageFactsRecorder>(*watch_);
    checkers_ = make_checkers(*watch_);
    operator_ = std::make_unique<Operator>(*watch_, scenario());
    if (options_.keep_record) {
      record_ = std::make_unique<RunRecorder>();
      record_->attach(*watch_, scenario());
    }
    if (Differential::wanted(scenario())) {
      differential_ =
          std::make_unique<Differential>(*watch_, loaded_, options_.seed, options_.interrupted);
      for (auto& checker : differential_->make_checkers()) checkers_.push_back(std::move(checker));
    }
    if (options_.keep_critical_path) {
      critical_path_ = std::make_unique<CriticalPath>();
      critical_path_->attach(*watch_, scenario());
    }
    if (options_.keep_transitions != 0) {
      transitions_ = std::make_unique<Transitions>(options_.keep_transitions);
      transitions_->attach(*watch_, scenario());
    }
    for (RunObserver* observer : options_.observers) observer->attach(*watch_, scenario());
    if (options_.at_jump) {
      simulation_.topic<host::KernelJumped>().subscribe([this](const host::KernelJumped& seen) {
        options_.at_jump(host_.machine->memory(), seen.image);
      });
    }
    listen();
    changes_ = std::make_unique<MachineChanges>(simulation_, host_, scenario().machine);
    changes_->arrange();
    if (options_.perturb) options_.perturb(simulation_);
    power_on();
  }

  // Plays the script until the run has come to its end.
  bool advance() {
    if (until_ && simulation_.now() >= *until_) return false;
    if (options_.interrupted && options_.interrupted()) {
      result_.interrupted = true;
      return false;
    }
    sim::Time slice_end = simulation_.now() + kSlice;
    const auto next = operator_->next();
    if (next) slice_end = std::min(slice_end, *next);
    const auto pulled = changes_->next(operator_->started());
    if (pulled) slice_end = std::min(slice_end, *pulled);
    if (until_) slice_end = std::min(slice_end, *until_);
    run_slice(slice_end);
    if (result_.stopped) return false;
    if (pulled && *pulled <= simulation_.now()) changes_->pull_due(*operator_->started());
    if (next && *next <= simulation_.now()) operator_->type();
    if (!until_) until_ = end_of_run();
    return true;
  }

  RunResult finish() {
    // A run that was stopped on the way owes nothing yet.
    if (!result_.stopped) {
      watch_->end();
      if (differential_ && !result_.interrupted) compare();
      for (const auto& checker : checkers_) checker->finish();
    }
    recorder_->finish();
    for (RunObserver* observer : options_.observers) observer->finish();
    describe();
    if (result_.stopped) result_.state = state();
    measure();
    judge(result_, scenario(), checkers_, watch_->findings());
    return std::move(result_);
  }

  const sim::Fingerprint& fingerprint() const { return simulation_.fingerprint(); }

 private:
  const Scenario& scenario() const { return loaded_.scenario; }

  void listen() {
    if (!options_.keep_log && !options_.on_event) return;
    if (options_.on_event) simulation_.log().set_level(sim::LogLevel::kDebug);
    simulation_.log().set_sink([this](const sim::LogLine& line) {
      if (options_.on_event) options_.on_event(simulation_.fingerprint().count(), line);
      if (options_.keep_log && line.level != sim::LogLevel::kDebug) {
        result_.log.push_back({line.time, sim::format_line(line)});
      }
    });
  }

  void power_on() {
    const linux::Init init = vmm::make_init(user_config(scenario()));
    const std::vector<KernelSpec>& kernels = scenario().kernels;
    host_.machine->power_on(
        [init, &kernels](host::KernelPort& port, const host::BootHandoff& handoff,
                         std::size_t kernel) -> std::unique_ptr<host::Software> {
          return std::make_unique<linux::Kernel>(port, handoff, kernels.at(kernel).config, init);
        },
        scenario().kernel(0).command_line);
  }

  // Runs to `end`, or to the event at which the run shall stop.
  void run_slice(sim::Time end) {
    // A line of the script can be due since before its time was known.
    if (options_.until_event == 0 || end < simulation_.now()) return simulation_.run_until(end);
    SliceEnd slice_end(simulation_.add_actor("slice"));
    simulation_.schedule_at(slice_end, end);
    while (slice_end.scheduled()) {
      if (simulation_.fingerprint().count() >= options_.until_event) {
        result_.stopped = true;
        return;
      }
      simulation_.step();
    }
    simulation_.run_until(end);
  }

  std::optional<sim::Time> end_of_run() {
    const sim::Time now = simulation_.now();
    if (scenario().end) {
      if (operator_->started()) return *operator_->started() + *scenario().end;
    } else if (operator_->settled()) {
      if (!operator_->started()) give_up("its kernel halted before the guests' devices did work");
      return now + kTail;
    }
    const bool waiting = !operator_->next() && !scenario().end;
    const sim::Time since = operator_->started() ? operator_->last_typed() : sim::Time();
    if ((waiting || !operator_->started()) && now - since > step_limit()) {
      give_up(fmt::format(
          "{} within {}",
          operator_->started() ? "the last step was not done" : "the guests' devices did no work",
          sim::to_string(step_limit())));
      return now;
    }
    return std::nullopt;
  }

  // Nothing of what the run is about comes any more.
  void give_up(std::string why) {
    result_.notes.push_back(fmt::format("given up: {}", why));
    result_.given_up = std::move(why);
  }

  // A platform reset takes its time before the boot.
  sim::Duration step_limit() const {
    const std::vector<ScriptStep>& script = scenario().script;
    const bool reset = !script.empty() && script.back().action == Action::kColdReboot;
    const std::size_t devices = scenario().machine.add.size();
    const auto more = static_cast<std::int64_t>(std::max(devices, kDevicesWithin) - kDevicesWithin);
    const sim::Duration limit = kStepLimit + kDeviceLimit * more;
    return reset ? limit + host_.machine->timing().platform_reset : limit;
  }

  void compare() {
    differential_->compare(operator_->started());
    if (options_.interrupted && options_.interrupted()) result_.interrupted = true;
    result_.differences = differential_->rows();
  }

  // What a run that was stopped shows of the machine.
  std::vector<std::string> state() {
    std::vector<std::string> lines;
    for (const WatchedDevice& device : watch_->devices()) {
      const pci::Function& function = *device.function;
      const Mapping mapping = walk_mapping(*host_.machine, function);
      std::uint64_t bytes = 0;
      for (const MappedRun& run : mapping.runs) bytes += run.length;
      lines.push_back(
          fmt::format("device {} of {} at {}: requester {}, bus master {}, memory decode {}, D{}; "
                      "reaches {} in "
                      "{} runs",
                      function.name(), device.vm, sim::to_string(function.location()),
                      sim::to_string(function.requester_id()), function.bus_master() ? "on" : "off",
                      function.memory_enabled() ? "on" : "off", function.power_state(),
                      format_bytes(bytes), mapping.runs.size()));
    }
    for (const std::string& session : watch_->pending_sessions()) {
      lines.push_back(fmt::format("session \"{}\": preserved, not finished", session));
    }
    lines.push_back(!watch_->handover() ? "no handover is under way"
                    : watch_->jumped()  ? "a handover is under way, after the jump"
                                        : "a handover is under way, before the jump");
    return lines;
  }

  void describe() {
    result_.file = loaded_.file;
    result_.text = loaded_.text;
    result_.title = scenario().title;
    result_.seed = options_.seed;
    result_.digest = scenario_digest(loaded_);
    result_.token = format_token({result_.digest, options_.seed, loaded_.overrides});
    result_.overrides = loaded_.overrides;
    result_.defects = defect_places(loaded_.root);
    if (transitions_) result_.transitions = transitions_->take();
    if (record_) {
      record_->finish();
      result_.record = record_->take();
    }
    if (critical_path_) {
      critical_path_->finish();
      result_.pauses = critical_path_->paths();
    }
    result_.host = host_text(scenario(), host_);
    result_.kernels = kernel_texts(scenario());
    result_.phases = recorder_->phases();
    result_.notes.insert(result_.notes.begin(), recorder_->notes().begin(),
                         recorder_->notes().end());
    result_.notes.insert(result_.notes.end(), changes_->notes().begin(), changes_->notes().end());
    result_.standings = recorder_->standings();
    result_.end = simulation_.now();
    result_.events = simulation_.fingerprint().count();
    result_.fingerprint = simulation_.fingerprint().hex();
    result_.stage = stage_->take();
  }

  void measure() {
    std::uint64_t mismatches = 0;
    for (const auto& [vm, address] : watch_->guests()) {
      if (const auto status = read_guest_status(*host_.machine, address)) {
        mismatches += status->mismatches + status->member_errors + status->batch_errors +
                      status->order_errors;
        result_.guests.push_back(guest_text(vm, *status));
      } else {
        result_.guests.push_back(fmt::format("guest {}: its memory is gone", vm));
        ++mismatches;
      }
    }
    const auto duration = [](sim::Duration value) {
      return static_cast<std::uint64_t>(value.ps());
    };
    result_.measurements = {
        {"guest_pause", duration(recorder_->longest_pause())},
        {"dma_stall", duration(watch_->longest_stall())},
        {"dma_bytes", recorder_->dma_bytes()},
        {"dma_bytes_without_kernel", recorder_->dma_bytes_without_kernel()},
        {"guest_mismatches", mismatches},
        {"live_updates", recorder_->live_updates()},
        {"config_writes", watch_->config_writes().changing},
        {"config_writes_equal", watch_->config_writes().equal},
        {"functions_missing", recorder_->functions_missing()},
    };
    measure_interrupts();
  }

  // Where a VM has a device.
  void measure_interrupts() {
    if (watch_->devices().empty()) return;
    const InterruptCounts counts = watch_->interrupts().counts();
    vmm::GuestStatus sum;
    for (const auto& [vm, address] : watch_->guests()) {
      const auto status = read_guest_status(*host_.machine, address);
      if (!status) continue;
      sum.timeouts += status->timeouts;
      sum.interrupts_lost += status->interrupts_lost;
      sum.batches_done += status->batches_done;
      sum.batches_lost += status->batches_lost;
    }
    const auto add = [this](std::string_view id, std::uint64_t value) {
      result_.measurements.push_back({std::string(id), value});
    };
    add("interrupts_raised", counts.raised);
    add("interrupts_delivered", counts.delivered);
    add("interrupts_merged", counts.merged);
    add("interrupts_lost", counts.lost);
    add("interrupts_not_made_up", counts.not_made_up);
    add("interrupts_under_way", counts.under_way);
    add("interrupts_spurious", counts.spurious);
    add("interrupt_faults", counts.faults);
    add("interrupt_wait", static_cast<std::uint64_t>(counts.longest_wait.ps()));
    add("queue_silence", static_cast<std::uint64_t>(counts.longest_silence.ps()));
    add("guest_timeouts", sum.timeouts);
    add("guest_interrupts_lost", sum.interrupts_lost);
    add("guest_batches", sum.batches_done);
    add("guest_batches_lost", sum.batches_lost);
    for (const auto& [source, silence] : watch_->interrupts().silences()) {
      const WatchedDevice& device = watch_->devices()[source.first];
      result_.guests.push_back(
          fmt::format("queue of {} on vector {} of {}: longest time between two interrupts {}",
                      device.vm, source.second, device.function->name(), sim::to_string(silence)));
    }
    for (const auto& [way, count] : watch_->interrupts().ways()) {
      result_.notes.push_back(fmt::format("{} interrupts lost: {}", count, way));
    }
  }

  Loaded loaded_;
  RunOptions options_;
  RunResult result_;
  std::optional<sim::Time> until_;  // the end, once it is known
  sim::Simulation simulation_;
  std::unique_ptr<Watch> watch_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<StageFactsRecorder> stage_;
  std::unique_ptr<Transitions> transitions_;
  std::unique_ptr<RunRecorder> record_;
  std::unique_ptr<CriticalPath> critical_path_;
  std::unique_ptr<Differential> differential_;
  std::vector<std::unique_ptr<Checker>> checkers_;
  std::unique_ptr<Operator> operator_;
  BuiltHost host_;
  std::unique_ptr<MachineChanges> changes_;
};

ScenarioRun::ScenarioRun(const Loaded& loaded, RunOptions options)
    : impl_(std::make_unique<Impl>(loaded, std::move(options))) {}

ScenarioRun::~ScenarioRun() = default;

bool ScenarioRun::advance() { return impl_->advance(); }

RunResult ScenarioRun::finish() { return impl_->finish(); }

const sim::Fingerprint& ScenarioRun::fingerprint() const { return impl_->fingerprint(); }

RunResult run_scenario(const Loaded& loaded, const RunOptions& options) {
  ScenarioRun run(loaded, options);
  while (run.advance()) {
  }
  return run.finish();
}

}  // namespace baton::harness
