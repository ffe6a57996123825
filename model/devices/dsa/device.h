// The DSA function: ties registers, commands, portals, queues and engines together. Private to this
// layer; others use make_dsa().
//
// With ATS enabled requests are translated by the function's device-TLB, but for work queues that
// disable it.
//
// Not modelled: page requests (what is not translated fails, whatever Block on Fault says),
// deferrable memory writes (nothing in the fabric sends them, so a
// shared queue, once enabled, never receives work), clearing of MSI-X pending bits by Reset Device.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "model/devices/dsa/dsa.h"
#include "model/devices/dsa/enable_checks.h"
#include "model/devices/dsa/engine.h"
#include "model/devices/dsa/observations.h"
#include "model/devices/dsa/register_file.h"
#include "model/devices/dsa/state_machine.h"
#include "model/devices/dsa/work_queue.h"
#include "model/pci/function.h"
#include "sim/event.h"
#include "sim/topic.h"

namespace baton::devices::dsa {

class Device final : public pci::Function, private EngineHost {
 public:
  Device(sim::Simulation& simulation, const DsaConfig& config);

  void memory_read(pci::BarHit hit, std::span<std::byte> to) override;
  void memory_write(pci::BarHit hit, std::span<const std::byte> from) override;

 protected:
  void on_config_write(std::uint16_t offset, unsigned width, std::uint32_t old_value,
                       std::uint32_t new_value) override;
  void on_reset(pci::ResetKind kind) override;

 private:
  // Configuration registers whose change halts an enabled device.
  struct Watched {
    bool bus_master = false;
    std::uint32_t ats = 0;
    std::uint32_t pasid = 0;
    std::uint32_t pri = 0;
    friend bool operator==(const Watched&, const Watched&) = default;
  };
  // The command that is active.
  struct ActiveCommand {
    bool interrupt = false;
    std::uint32_t code = 0;
    std::uint32_t operand = 0;
    std::uint32_t wqs = 0;     // affected queues, bit per queue
    std::uint64_t ticket = 0;  // descriptors up to this one are waited for
  };
  // The arbiter of one group [DSA 341204, chapter 3, WQ arbitration].
  struct Group {
    std::uint32_t wqs = 0;
    std::uint32_t cursor = 0;
  };

  // device.cc
  Watched watched() const;
  PciEnables pci_enables() const;
  void write_registers(std::uint64_t at, std::span<const std::byte> from);
  std::uint32_t read_register(std::uint16_t at) const;
  void submit(std::uint64_t portal_offset, std::span<const std::byte> from);
  bool accepts(std::uint32_t wq) const;
  void adopt_groups();
  void kick_group_of(std::uint32_t wq);
  void clear_work();
  void halted(SoftwareError error);
  void record_error(std::uint64_t qword0, std::uint64_t qword1);
  void cause(const Field& bit);
  std::optional<std::uint32_t> arbitrate(Group& group);
  bool ready(std::uint32_t wq) const;
  // The address of a request, and the PASID of the queue that it is for.
  void address_by(std::uint32_t wq, std::uint64_t address, pci::MemoryRequest& request) const;
  std::optional<Pasid> pasid_of(std::uint32_t wq) const;
  Services services_of(std::uint32_t wq) const;
  bool interrupt_allowed(std::uint32_t wq, std::uint32_t handle) const;
  void on_submitted();

  // commands.cc
  void write_command(std::uint32_t value);
  void on_command();
  CommandError check_command();
  CommandError check_wq_operand(WqEvent event);
  void begin_command();
  void commit_wqs(WqEvent event);  // of each queue that the command is about
  void abandon(std::uint32_t wqs);
  std::uint32_t wqs_with_pasid(std::uint32_t pasid) const;
  bool drained() const;
  void try_finish_command();
  void finish_command();
  void end_command(CommandEvent by, CommandError error);

  // EngineHost
  pci::Completion dma_read(std::uint32_t wq, std::uint64_t address,
                           std::span<std::byte> data) override;
  pci::Completion dma_write(std::uint32_t wq, std::uint64_t address,
                            std::span<const std::byte> data) override;
  bool take_work(std::uint32_t engine, Work& work) override;
  DescriptorRules rules(const Work& work, bool in_batch) const override;
  sim::Time bandwidth_free_at() const override { return bandwidth_free_at_; }
  void use_bandwidth(std::uint64_t bytes) override;
  void raise(std::uint32_t interrupt_handle) override;
  void report_error(const Work& work, const Outcome& outcome,
                    std::optional<std::uint32_t> batch_index) override;
  void began(std::uint32_t engine, const Work& work,
             std::optional<std::uint32_t> batch_index) override;
  void ended(const Work& work, const Outcome& outcome,
             std::optional<std::uint32_t> batch_index) override;

  DsaConfig timing_;
  RegisterFile registers_;
  std::array<WorkQueue, kWqCount> queues_;
  std::array<std::uint32_t, kWqCount> turns_{};  // priority counters
  std::array<Group, kGroupCount> groups_;
  std::array<std::uint32_t, kEngineCount> group_of_engine_{};
  std::deque<Engine> engines_;
  ActiveCommand command_;
  sim::StateOf<CommandState, CommandEvent, SoftwareError> command_state_{command_table(),
                                                                         CommandState::kIdle};
  Watched last_watched_;
  std::uint64_t last_ticket_ = 0;
  sim::Time bandwidth_free_at_;
  std::uint64_t bandwidth_remainder_ = 0;  // of picoseconds, in units of 1/bytes_per_second
  sim::MemberEvent<&Device::on_command> command_event_;
  sim::MemberEvent<&Device::on_submitted> submitted_event_;
  const sim::Topic<DescriptorDone>& descriptor_done_;
  const sim::Topic<DeviceHalted>& device_halted_;
  const sim::Topic<DescriptorSubmitted>& descriptor_submitted_;
  const sim::Topic<DescriptorStarted>& descriptor_started_;
  const sim::Topic<DescriptorsAbandoned>& descriptors_abandoned_;
  const sim::Topic<CommandTaken>& commands_taken_;
};

}  // namespace baton::devices::dsa
