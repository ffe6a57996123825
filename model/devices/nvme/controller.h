// The controller: registers, doorbells, queues, the commands that are being carried out. Private to
// this layer; others use make_nvme().
//
// Step functions over explicit state. Commands are fetched one at a time, by turns from the queues
// that have some (round robin), into up to kTags tags; reads and writes then move their data one
// after another, a page at most per request, at the rate of the data path. Data comes before the
// completion entry, the entry before its interrupt: all three are posted writes, so who takes the
// interrupt finds both.
//
// Errors of the way to memory:
//  - data or a PRP list that cannot be read: the command ends with Data Transfer Error;
//  - a command that cannot be fetched, or a completion entry that cannot be sent because bus master
//    is off: nothing can be told through the queues, so CSTS.CFS is set and all processing stops
//    until the controller is reset [NVMe 1.4, 9.5]. AMBIGUOUS: the specification leaves open which
//    condition is fatal; this reading is assumed.
//  - a posted write that is lost beyond the device: nobody tells it, as on real hardware.
//
// Not modelled: SGLs, metadata and protection, fused commands, namespaces other than 1, weighted
// arbitration, interrupt coalescing (the feature keeps its value, every completion interrupts),
// INTx and MSI interrupts, Abort of a command (it answers "not aborted"), host memory buffer.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "model/devices/nvme/commands.h"
#include "model/devices/nvme/disk.h"
#include "model/devices/nvme/identify.h"
#include "model/devices/nvme/nvme.h"
#include "model/devices/nvme/nvme_config_space.h"
#include "model/devices/nvme/observations.h"
#include "model/devices/nvme/queue.h"
#include "model/devices/nvme/registers.h"
#include "model/pci/function.h"
#include "sim/event.h"
#include "sim/memory.h"
#include "sim/topic.h"

namespace baton::devices::nvme {

class Controller final : public pci::Function {
 public:
  Controller(sim::Simulation& simulation, const NvmeConfig& config);
  // A virtual function of one.
  Controller(sim::Simulation& simulation, const NvmeConfig& config, pci::ConfigSpace space);

  std::unique_ptr<pci::Function> make_virtual_function(unsigned index) override;
  void memory_read(pci::BarHit hit, std::span<std::byte> to) override;
  void memory_write(pci::BarHit hit, std::span<const std::byte> from) override;

 protected:
  void on_reset(pci::ResetKind kind) override;

 private:
  static constexpr std::uint32_t kQueues = kIoQueuePairs + 1;
  static constexpr std::uint32_t kTags = 32;
  static constexpr std::uint32_t kTransfers = 24;
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::uint32_t kListEntries = sim::kPageSize / 8;

  enum class Stage : std::uint8_t { kFree, kFetching, kMoving, kCompleting, kBlocked, kHeld };

  // A command that is being carried out.
  struct Command {
    Command(Controller& owner, sim::ActorId actor, std::uint32_t number);
    void on_step();

    Controller& controller;
    sim::MemberEvent<&Command::on_step> step;
    std::uint32_t tag;
    Stage stage = Stage::kFree;
    bool fetch_failed = false;
    std::uint16_t queue = 0;
    SubmissionEntry entry;
    Status status = Status::kSuccess;
    std::uint32_t result = 0;
    // The data of a read or write.
    std::uint64_t disk_offset = 0;
    std::uint64_t length = 0;
    std::uint64_t issued = 0;
    std::uint32_t outstanding = 0;  // pages on their way
    sim::Time data_from;            // the media is ready
    // The part of the PRP list at hand.
    bool uses_list = false;
    bool list_wanted = false;   // it is on its way
    std::uint64_t list_at = 0;  // where the next part lies
    std::uint32_t list_next = 0;
    std::uint32_t list_count = 0;
    std::array<std::uint64_t, kListEntries> list;

    Opcode opcode() const { return static_cast<Opcode>(entry.opcode); }
    bool to_host() const { return opcode() == Opcode::kRead; }
    bool failed() const { return status != Status::kSuccess; }
    bool all_issued() const { return failed() || issued == length; }
  };

  // A page of a write on its way from memory.
  struct Transfer {
    Transfer(Controller& owner, sim::ActorId actor, std::uint32_t number);
    void on_arrived();

    Controller& controller;
    sim::MemberEvent<&Transfer::on_arrived> arrived;
    std::uint32_t index;
    std::uint32_t tag = kNone;
    std::uint32_t length = 0;
    std::uint64_t disk_offset = 0;
    bool failed = false;
    std::array<std::byte, sim::kPageSize> data;
  };

  // controller.cc
  void write_register(std::uint32_t at, std::uint32_t value);
  void write_configuration(std::uint32_t value);
  void on_state();
  bool configuration_legal() const;
  void create_admin_queues();
  bool working() const;
  void ring(std::uint32_t at, std::uint32_t value);
  void ring_submission(std::uint32_t queue, std::uint32_t value);
  void ring_completion(std::uint32_t queue, std::uint32_t value);
  void fail(const char* why);
  void stop_work();
  void drop_commands(std::optional<std::uint16_t> of_queue);
  void report_event(std::uint8_t info);
  void send_event();

  // pipeline.cc: from the queue to the completion
  void kick_fetch();
  std::optional<std::uint16_t> next_queue();
  void on_fetch();
  void fetched(Command& command);
  Command* free_command();
  void complete(Command& command, Status status, std::uint32_t result = 0);
  void post(Command& command);
  void release(Command& command);
  void start_io(Command& command);
  Status check_io(Command& command) const;

  // data.cc: reads and writes
  void start_data(Command& command);
  void fetch_list(Command& command);
  void list_arrived(Command& command);
  void next_list_part(Command& command);
  std::optional<std::uint64_t> next_page(const Command& command) const;
  void schedule_issue(sim::Time at);
  void on_issue();
  void issue_page(Command& command, std::uint64_t address);
  void page_failed(Command& command, Status status);
  void finish_if_done(Command& command);
  void use_bandwidth(std::uint64_t bytes);

  // admin.cc
  void admin(Command& command);
  Status identify(const Command& command);
  Status get_log_page(const Command& command);
  Status create_completion_queue(const SubmissionEntry& entry);
  Status create_submission_queue(const SubmissionEntry& entry);
  Status delete_completion_queue(const SubmissionEntry& entry);
  Status delete_submission_queue(const SubmissionEntry& entry);
  Status set_features(Command& command);
  Status get_features(Command& command);
  Status send_admin_data(const SubmissionEntry& entry, std::span<const std::byte> data);
  bool io_queue_exists() const;

  NvmeConfig config_;
  Disk disk_;
  Registers registers_;
  std::vector<std::byte> buffer_;  // controller memory buffer
  std::array<SubmissionQueue, kQueues> submission_;
  std::array<CompletionQueue, kQueues> completion_;
  std::array<std::uint32_t, 16> features_{};
  bool shut_down_ = false;
  std::uint32_t turn_ = 0;  // queue to look at first
  std::deque<Command> commands_;
  std::deque<Transfer> transfers_;
  std::uint32_t free_transfers_ = 0;     // bit per element
  std::deque<std::uint32_t> moving_;     // tags whose data is to be moved, in order
  std::deque<std::uint32_t> blocked_;    // tags that wait for room in their completion queue
  std::deque<std::uint32_t> requested_;  // tags of held Asynchronous Event Requests
  std::deque<std::uint8_t> events_;      // error events to report
  bool event_masked_ = false;            // until its log page is read
  std::uint32_t fetching_ = kNone;
  sim::Time bandwidth_free_at_;
  std::uint64_t bandwidth_remainder_ = 0;
  sim::MemberEvent<&Controller::on_state> state_event_;
  sim::MemberEvent<&Controller::on_fetch> fetch_event_;
  sim::MemberEvent<&Controller::on_issue> issue_event_;
  const sim::Topic<CommandsSubmitted>& submitted_topic_;
  const sim::Topic<CommandStarted>& started_topic_;
  const sim::Topic<CommandDone>& done_topic_;
  const sim::Topic<CommandsDropped>& dropped_topic_;
  const sim::Topic<ControllerFailed>& failed_topic_;
};

}  // namespace baton::devices::nvme
