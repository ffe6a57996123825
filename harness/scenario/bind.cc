#include "harness/scenario/bind.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "harness/scenario/bind_changes.h"
#include "harness/scenario/bind_devices.h"
#include "harness/scenario/bind_interrupts.h"
#include "harness/scenario/bind_iommu.h"
#include "harness/scenario/bind_processes.h"
#include "harness/scenario/bind_virtual_functions.h"
#include "harness/scenario/invariant_rows.h"
#include "harness/scenario/presets.h"
#include "harness/scenario/view.h"

namespace baton::harness {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
// What the host itself needs beside its guests (assumed).
constexpr std::uint64_t kHostReserve = 1024 * kMiB;
// A device that copies at least one buffer between two checks of the gap needs no more queue.
constexpr std::uint64_t kBatchesWanted = 24;

constexpr std::array<std::string_view, 8> kActionNames{
    "live-update", "cold-reboot", "create-session", "preserve",
    "cancel",      "kexec",       "retrieve",       "finish"};

class Binder {
 public:
  Binder(Loaded& loaded, const std::string& folder)
      : scenario_(loaded.scenario),
        diagnostics_(loaded.diagnostics),
        folder_(folder),
        loaded_root_(loaded.root),
        root_(&loaded.root, "", loaded.root.at) {}

  void bind() {
    scenario_.title = root_.key("title").text();
    bind_machine();
    bind_kernels();
    bind_vms();
    check_physical_functions(scenario_, diagnostics_);
    bind_script();
    bind_processes(loaded_root_, scenario_, diagnostics_);
    bind_changes(root_.key("machine"), scenario_, diagnostics_);
    bind_expectations();
    for (const View& item : root_.key("table").items()) scenario_.table.push_back(item.text());
    scenario_.vary = read_vary(loaded_root_, diagnostics_);
    check_exclusions(scenario_.vary, diagnostics_);
    if (const View end = root_.key("end"); end.given()) {
      scenario_.end = end.duration();
      if (!scenario_.script.empty() && scenario_.script.back().at >= *scenario_.end) {
        diagnostics_.add(Problem::kConflict, end.at(),
                         fmt::format("the last step of the script, in line {}, comes after the end",
                                     scenario_.script.back().position.line));
      }
    }
  }

 private:
  void bind_machine() {
    const View machine = root_.key("machine");
    MachineSpec& spec = scenario_.machine;
    spec.memory = machine.key("memory").number();
    spec.cpus = static_cast<unsigned>(machine.key("cpus").number());
    if (spec.memory % (2 * kMiB) != 0) {
      diagnostics_.add(Problem::kOutOfRange, machine.key("memory").at(),
                       "memory: not a multiple of 2MiB");
    }
    spec.hardware_caches = machine.key("iommu").key("caches").text() == "hardware";
    spec.scalable_iommu = machine.key("iommu").key("mode").text() == "scalable";
    spec.interrupt_remapping = machine.key("iommu").key("interrupt_remapping").text() == "true";
    const View dump = machine.key("topology").key("lspci");
    spec.lspci_path = (std::filesystem::path(folder_) / dump.text()).string();
    spec.lspci_at = dump.at();
    bind_added_devices(machine.key("topology"), spec, diagnostics_);
    bind_iommu(machine.key("iommu"), spec, diagnostics_);
  }

  void bind_policies(const View& view, linux::Policies& policies) {
    for (const std::string_view key : policy_keys()) {
      if (const View given = view.key(key); given.given()) {
        choose_policy(policies, key, given.text());
      }
    }
  }

  void bind_defects(const View& view, linux::Defects& defects) {
    for (const View& item : view.items()) {
      if (const auto defect = linux::defect_by_id(item.text())) defects.add(*defect);
    }
  }

  void bind_kernels() {
    const std::vector<View> items = root_.key("kernels").items();
    for (const View& item : items) bind_kernel(item);
    if (items.empty()) bind_kernel(View(nullptr, "kernels[]", root_.at()));
  }

  void bind_kernel(const View& item) {
    KernelSpec kernel;
    linux::KernelConfig& config = kernel.config;
    const PresetConfig& preset = preset_config(item.key("preset").text());
    config.preset = preset.id;
    config.pieces = preset.pieces;
    config.policies = preset.policies;
    config.iommu_scalable = scenario_.machine.scalable_iommu;
    config.vfio_disable_denylist = true;  // the DSA is on VFIO's list [linux vfio_pci.c]
    kernel.command_line = item.key("cmdline").text();
    for (const View& driver : item.key("drivers").items()) {
      config.idxd = config.idxd || driver.text() == "idxd";
      config.nvme = config.nvme || driver.text() == "nvme";
      config.pci_lu_stub = config.pci_lu_stub || driver.text() == "pci-lu-stub";
    }
    if (item.key("memfd").text() == "none") {
      config.pieces.memfd = linux::MemfdVersion::kNone;
    }
    bind_pieces(item, kernel);
    bind_policies(root_.key("policies"), config.policies);
    bind_policies(item.key("policies"), config.policies);
    check_policies(root_.key("policies"), kernel);
    check_policies(item.key("policies"), kernel);
    check_interrupt_policies(item.key("policies"), root_.key("policies"), config.policies,
                             scenario_.machine, diagnostics_);
    bind_defects(root_.key("defects"), config.defects);
    bind_defects(item.key("defects"), config.defects);
    scenario_.kernels.push_back(kernel);
  }

  void bind_pieces(const View& item, KernelSpec& kernel) {
    linux::Pieces& pieces = kernel.config.pieces;
    Position at = item.key("preset").at();
    for (const std::string_view piece : {"pci", "iommu", "vfio"}) {
      const View given = item.key(piece);
      if (!given.given() || given.text() == piece_text(pieces, piece)) continue;
      set_piece(pieces, piece, given.text());
      at = given.at();
      kernel.pieces +=
          fmt::format("{}{} {}", kernel.pieces.empty() ? "" : ", ", piece, given.text());
    }
    kernel.chimera = is_chimera(pieces);
    if (item.key("pci_core").text() == "6.1") {
      pieces.pci_core = linux::PciCoreVersion::kV6_1;
      kernel.chimera = true;
      at = item.key("pci_core").at();
    }
    if (const std::string missing = missing_piece(pieces); !missing.empty()) {
      diagnostics_.add(Problem::kConflict, at, missing, "this kernel has pci none");
    } else if (kernel.chimera && root_.key("chimera").text() != "true") {
      diagnostics_.add(Problem::kConflict, at, "no kernel and no series had these pieces together",
                       fmt::format("pci {}, iommu {}, vfio {}, pci_core {}",
                                   piece_text(pieces, "pci"), piece_text(pieces, "iommu"),
                                   piece_text(pieces, "vfio"), item.key("pci_core").text()),
                       "`chimera: true` at the top allows it, and reports say so");
    }
  }

  // An alternative that a kernel's pieces cannot implement: once for each kernel that has one.
  void check_policies(const View& policies, const KernelSpec& kernel) {
    for (const KeyRow* row : rows_below("policies")) {
      const View given = policies.key(last_part(row->path));
      if (!given.given()) continue;
      const std::string_view needs =
          needed_piece(kernel.config.pieces, last_part(row->path), given.text());
      if (needs.empty()) continue;
      const std::string_view piece = needs.substr(0, needs.find(' '));
      diagnostics_.add(
          Problem::kConflict, given.at(),
          fmt::format("{}: {} needs {}", last_part(row->path), given.text(), needs),
          fmt::format("kernel {}, preset {}, has {} {}", scenario_.kernels.size(),
                      kernel.config.preset, piece, piece_text(kernel.config.pieces, piece)));
    }
  }

  void bind_vms() {
    std::map<std::string, Position> names;
    std::map<std::size_t, std::string> owners;
    std::uint64_t total = kHostReserve;
    for (const View& item : root_.key("vms").items()) {
      VmSpec vm;
      vm.name = item.key("name").text();
      vm.memory = item.key("memory").number();
      vm.carried = item.key("live_update").text() != "leave";
      vm.releases_interrupts = item.key("interrupts").text() != "hold";
      vm.vcpu_exit = item.key("vcpu_exit").duration();
      vm.vcpu_entry = item.key("vcpu_entry").duration();
      if (!names.emplace(vm.name, item.at()).second) {
        diagnostics_.add(Problem::kDuplicateName, item.key("name").at(),
                         fmt::format("two VMs are called \"{}\"", vm.name));
      }
      total += vm.memory;
      // A machine's memory that is wrong by itself has been reported.
      const bool known = scenario_.machine.memory >= key_row("machine.memory")->minimum;
      if ((known && total > scenario_.machine.memory) || vm.memory % sim::kPageSize != 0) {
        diagnostics_.add(Problem::kOutOfRange, item.key("memory").at(),
                         vm.memory % sim::kPageSize != 0
                             ? "memory: not a multiple of 4KiB"
                             : "the VMs do not fit into the machine's memory beside its kernel");
      }
      bind_dma_offset(item, vm);
      bind_devices(item.key("devices"), vm, owners);
      bind_workload(item, vm);
      bind_resident_vcpu(item, vm);
      scenario_.vms.push_back(vm);
    }
  }

  void bind_resident_vcpu(const View& item, VmSpec& vm) {
    const View view = item.key("resident_vcpu");
    if (!view.given()) return;
    vm.core_period = view.duration();
    if (!vm.devices.empty() && scenario_.machine.add[vm.devices.front()].buffer != 0) return;
    diagnostics_.add(Problem::kConflict, view.at(),
                     "resident_vcpu: the VM has no device with a buffer",
                     "it needs an nvme with a `buffer` as its first device");
  }

  void bind_dma_offset(const View& item, VmSpec& vm) {
    constexpr std::uint64_t kMessages = 0xFEE0'0000;
    constexpr std::uint64_t kMessagesEnd = 0xFEF0'0000;
    const View view = item.key("dma_offset");
    const std::uint64_t offset = view.number();
    vm.workload.dma_offset = offset;
    if (offset % sim::kPageSize != 0) {
      diagnostics_.add(Problem::kOutOfRange, view.at(), "dma_offset: not a multiple of 4096");
    }
    // Without an offset no memory lies there.
    const std::uint64_t end = offset + vmm::low_memory_bytes(vm.memory);
    if (offset != 0 && offset < kMessagesEnd && kMessages < end) {
      diagnostics_.add(Problem::kConflict, view.at(),
                       "dma_offset: guest memory would lie at the addresses of interrupt messages",
                       fmt::format("it would reach from {:#x} to {:#x}", offset, end));
    }
  }

  void bind_devices(const View& list, VmSpec& vm, std::map<std::size_t, std::string>& owners) {
    for (const View& item : list.items()) {
      const std::string wanted = item.text();
      add_virtual_function(wanted, scenario_.machine, item.at());
      const std::vector<std::string> known = assignable_devices(scenario_.machine);
      const auto found = std::ranges::find(known, wanted);
      if (found == known.end()) {
        diagnostics_.add(
            Problem::kUnknownName, item.at(), fmt::format("no device \"{}\"", wanted),
            did_you_mean(wanted, std::vector<std::string_view>(known.begin(), known.end())),
            fmt::format("devices of the machine: {}", fmt::join(known, ", ")));
        continue;
      }
      const auto index = static_cast<std::size_t>(
          std::ranges::find(scenario_.machine.add, wanted, &AddedDevice::name) -
          scenario_.machine.add.begin());
      if (const auto [owner, fresh] = owners.emplace(index, vm.name); !fresh) {
        diagnostics_.add(Problem::kDuplicateName, item.at(),
                         fmt::format("\"{}\" belongs to {} already", wanted, owner->second));
        continue;
      }
      refuse_processes_keys(scenario_.machine.add[index], vm, item.at());
      vm.devices.push_back(index);
    }
  }

  // What is said of a device that processes drive means nothing for a VM's.
  void refuse_processes_keys(const AddedDevice& device, const VmSpec& vm, Position at) {
    if (device.bytes_per_second != 0) {
      diagnostics_.add(Problem::kConflict, at,
                       fmt::format("\"{}\" has a rate of its own", device.name),
                       fmt::format("of a VM's device vms[].workload.rate of {} is it", vm.name));
    }
    if (!device.session.empty()) {
      diagnostics_.add(Problem::kConflict, at,
                       fmt::format("\"{}\" is handed over in session {} of a process", device.name,
                                   device.session),
                       fmt::format("{} hands its devices over itself", vm.name));
    }
  }

  // The guest keeps batches queued for the longest time that nobody may feed its device. Batches
  // are as small as memory allows, so that the guest verifies often.
  void bind_workload(const View& vm_view, VmSpec& vm) {
    const View view = vm_view.key("workload");
    vm.bytes_per_second = view.key("rate").number();
    vmm::WorkloadConfig& workload = vm.workload;
    workload.size = view.key("size").number();
    workload.depth = static_cast<std::uint32_t>(view.key("depth").number());
    workload.verify_every = view.key("verify").text() == "sampled" ? 8 : 1;
    bind_completions(view, vm, diagnostics_);
    bind_workload_kind(vm_view, scenario_.machine, vm, diagnostics_);
    if (vm.devices.empty() || workload.size == 0 || workload.depth == 0) return;
    bind_peer(vm_view, scenario_.machine, vm, diagnostics_);
    if (bind_batches(vm_view, scenario_.machine, vm, diagnostics_)) return;
    if (vm.device == vmm::GuestDevice::kNvme) {
      bind_disk_workload(vm_view, scenario_.machine, vm, diagnostics_);
      return;
    }
    if (workload.size % 64 != 0) {
      diagnostics_.add(Problem::kOutOfRange, view.key("size").at(), "size: not a multiple of 64B");
      return;
    }
    const unsigned steps = workload.peer_buffer == 0 ? 1 : 2;  // of one copy
    if (workload.depth > vmm::kBatchMembersMax / steps) {
      diagnostics_.add(Problem::kOutOfRange, view.key("depth").at(),
                       fmt::format("depth: through a peer at most {}", vmm::kBatchMembersMax / 2));
      return;
    }
    workload.batch_members = std::max<std::uint32_t>(2, steps * workload.depth);
    for (;;) {
      workload.batches_in_flight =
          vmm::batches_for_gap(workload, vm.bytes_per_second, kGapMilliseconds);
      const bool enough = workload.batches_in_flight <= kBatchesWanted;
      if (enough && vmm::workload_fits(workload, vm.memory)) return;
      if (workload.batch_members == vmm::kBatchMembersMax) break;
      workload.batch_members = std::min(workload.batch_members * 2, vmm::kBatchMembersMax);
    }
    if (vmm::workload_fits(workload, vm.memory)) return;
    diagnostics_.add(
        Problem::kConflict, view.given() ? view.at() : vm_view.at(),
        "the workload does not fit into the VM's memory",
        fmt::format("it needs {} MiB", vmm::memory_needed(workload) / kMiB + 1),
        fmt::format("the device must stay busy for {} ms without a kernel: lower depth, size or "
                    "rate, or give the VM more memory",
                    kGapMilliseconds));
  }

  void bind_script() {
    for (const View& item : root_.key("script").items()) {
      ScriptStep step;
      step.at = item.key("at").duration();
      step.position = item.key("at").at();
      const std::string action = item.key("do").text();
      const auto found = std::ranges::find(kActionNames, action);
      step.action = static_cast<Action>(found - kActionNames.begin());
      const std::string refusal = item.key("on_refusal").text();
      step.on_refusal = refusal == "go-on-without"  ? OnRefusal::kGoOnWithout
                        : refusal == "shut-down-vm" ? OnRefusal::kShutDownVm
                                                    : OnRefusal::kStop;
      if (!scenario_.script.empty() && step.at < scenario_.script.back().at) {
        diagnostics_.add(Problem::kConflict, step.position,
                         "this step is earlier than the one before", "steps stand in order");
      }
      scenario_.script.push_back(step);
    }
  }

  void bind_expectations() {
    for (const View& item : root_.key("expect").items()) bind_expectation(item);
  }

  void bind_expectation(const View& item) {
    Expectation expectation;
    expectation.at = item.at();
    const std::array<View, 3> kinds{item.key("holds"), item.key("violates"), item.key("measure")};
    const auto given = std::ranges::count_if(kinds, &View::given);
    if (given != 1) {
      diagnostics_.add(Problem::kConflict, item.at(),
                       "an expectation is one of holds, violates and measure");
      return;
    }
    const auto which =
        static_cast<std::size_t>(std::ranges::find_if(kinds, &View::given) - kinds.begin());
    expectation.kind = static_cast<ExpectationKind>(which);
    for (const View& id : kinds[which].items()) expectation.ids.push_back(id.text());
    constexpr std::array<std::string_view, 3> kWords{"holds", "violates", "measure"};
    expectation.text = fmt::format("{}: {}", kWords[which], fmt::join(expectation.ids, ", "));
    if (std::erase(expectation.ids, "all") != 0) {
      // All that the scenario's kernels promise, and what a second run would cost only by name;
      // nothing of processes where there are none.
      for (const InvariantRow& row : invariant_rows()) {
        const bool named = std::ranges::count(expectation.ids, row.id) != 0;
        const bool of_processes = row.id == "process-calls" && scenario_.processes.empty();
        const bool left_out =
            row.differential || of_processes || !not_promised(scenario_, row.id).empty();
        if (!left_out && !named) expectation.ids.emplace_back(row.id);
      }
    }
    for (const std::string& id : expectation.ids) {
      const InvariantRow* row = invariant_row(id);
      if (row == nullptr || !row->differential || root_.key("vms").given()) continue;
      diagnostics_.add(Problem::kConflict, item.at(),
                       fmt::format("{} compares what guests do, and there is no VM", id));
    }
    bind_bounds(item, expectation);
    scenario_.expect.push_back(expectation);
  }

  void bind_bounds(const View& item, Expectation& expectation) {
    const bool measured = expectation.kind == ExpectationKind::kMeasure;
    const MeasureRow* row = measured ? measure_row(expectation.ids.front()) : nullptr;
    for (const std::string_view word : {"below", "above"}) {
      const View bound = item.key(word);
      if (!bound.given()) continue;
      if (!measured) {
        diagnostics_.add(Problem::kConflict, bound.at(),
                         fmt::format("{} belongs to a measure", word));
        continue;
      }
      expectation.text += fmt::format(", {}: {}", word, bound.text());
      if (row == nullptr) continue;
      const ParsedValue value = row->unit == MeasureUnit::kDuration ? parse_duration(bound.text())
                                : row->unit == MeasureUnit::kBytes  ? parse_size(bound.text())
                                                                    : parse_number(bound.text());
      if (!value) {
        diagnostics_.add(Problem::kBadValue, bound.at(),
                         fmt::format("{}: cannot read \"{}\"", word, bound.text()), value.error());
        continue;
      }
      (word == "below" ? expectation.below : expectation.above) = *value;
    }
    if (measured && !item.key("below").given() && !item.key("above").given()) {
      diagnostics_.add(Problem::kConflict, item.at(), "a measure needs a bound",
                       "below, above, or both");
    }
  }

  Scenario& scenario_;
  Diagnostics& diagnostics_;
  const std::string& folder_;
  const Node& loaded_root_;
  View root_;
};

}  // namespace

std::string_view name(Action action) { return kActionNames[static_cast<std::size_t>(action)]; }

std::size_t Scenario::generations() const {
  std::size_t result = 1 + reboots_of(processes);
  for (const ScriptStep& step : script) {
    if (step.action == Action::kLiveUpdate || step.action == Action::kColdReboot ||
        step.action == Action::kKexec) {
      ++result;
    }
  }
  return result;
}

void bind_scenario(Loaded& loaded, const std::string& folder) { Binder(loaded, folder).bind(); }

}  // namespace baton::harness
