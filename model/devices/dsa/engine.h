// One engine of a DSA: takes descriptors from the queues of its group, fetches batches, moves data
// in pages, writes completion records [DSA 341204, chapters 3 and 8].
//
// Step functions over explicit state. An `issue` event commits at most one 4 KiB page of one
// request: it reads a page; when the data has arrived, the page's own event writes it. Reads run
// ahead of writes by as many pages as there are transfers, so that latency does not limit the rate;
// the device's bandwidth, shared by its engines, does. Nothing is allocated after construction.
//
// The engine has one batch in progress at a time, whose members it starts in order, and takes no
// other work meanwhile. Members, like descriptors of a queue, end in any order.
//
// Not modelled: read buffer limits of groups, traffic classes (all data travels in order).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "model/devices/dsa/descriptor.h"
#include "model/devices/dsa/descriptor_check.h"
#include "model/devices/dsa/work_queue.h"
#include "model/pci/request.h"
#include "sim/event.h"
#include "sim/memory.h"
#include "sim/simulation.h"

namespace baton::devices::dsa {

// How a descriptor ended.
struct Outcome {
  Status status = Status::kSuccess;
  std::uint8_t result = 0;
  std::uint64_t completed = 0;  // bytes, or descriptors of a batch
  std::uint32_t invalid_flags = 0;
};

// What the device does for its engines.
class EngineHost {
 public:
  virtual pci::Completion dma_read(std::uint32_t wq, std::uint64_t address,
                                   std::span<std::byte> data) = 0;
  virtual pci::Completion dma_write(std::uint32_t wq, std::uint64_t address,
                                    std::span<const std::byte> data) = 0;
  // The next descriptor for this engine by the group's arbiter.
  virtual bool take_work(std::uint32_t engine, Work& work) = 0;
  virtual DescriptorRules rules(const Work& work, bool in_batch) const = 0;
  // When the data path is free again, and taking it for some bytes.
  virtual sim::Time bandwidth_free_at() const = 0;
  virtual void use_bandwidth(std::uint64_t bytes) = 0;
  virtual void raise(std::uint32_t interrupt_handle) = 0;
  // An error that no completion record can tell.
  virtual void report_error(const Work& work, const Outcome& outcome,
                            std::optional<std::uint32_t> batch_index) = 0;
  // A descriptor of a queue, or with its index a member of a batch, began and ended.
  virtual void began(std::uint32_t engine, const Work& work,
                     std::optional<std::uint32_t> batch_index) = 0;
  virtual void ended(const Work& work, const Outcome& outcome,
                     std::optional<std::uint32_t> batch_index) = 0;

 protected:
  ~EngineHost() = default;
};

class Engine {
 public:
  Engine(EngineHost& host, sim::Simulation& simulation, sim::ActorId actor, std::uint32_t index,
         sim::Duration per_descriptor);

  // There may be something to do.
  void kick();
  // Abort: members of this queue's batch that have not begun never will; the rest finishes.
  void abandon(std::uint32_t wq);
  // Halt, reset: everything in progress vanishes.
  void clear();

  // Whether a descriptor of this queue, accepted no later than `ticket`, has not ended.
  bool holds(std::uint32_t wq, std::uint64_t ticket) const;

 private:
  static constexpr std::uint32_t kOperations = 16;
  static constexpr std::uint32_t kTransfers = 24;  // 96 read buffers, four engines
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

  // A work descriptor in progress.
  struct Operation {
    Operation(Engine& owner, sim::ActorId actor, std::uint32_t number);
    void on_done();

    Engine& engine;
    sim::MemberEvent<&Operation::on_done> done;
    std::uint32_t index;
    Work work;
    std::uint32_t batch_index = kNone;
    bool backward = false;
    std::uint32_t outstanding = 0;       // pages on their way
    std::uint64_t issued = 0;            // bytes for which pages have been sent
    std::uint64_t failed_at = kNowhere;  // lowest offset whose read failed
    std::uint64_t differs_at = kNowhere;
    DescriptorVerdict verdict;

    bool in_batch() const { return batch_index != kNone; }
    bool stopped() const { return failed_at != kNowhere || differs_at != kNowhere; }
    bool all_issued() const { return stopped() || issued == work.descriptor.size; }
  };

  // A page on its way.
  struct Transfer {
    Transfer(Engine& owner, sim::ActorId actor, std::uint32_t number);
    void on_arrived();

    Engine& engine;
    sim::MemberEvent<&Transfer::on_arrived> arrived;
    std::uint32_t index;
    std::uint32_t operation = 0;
    std::uint32_t length = 0;
    std::uint64_t offset = 0;
    bool failed = false;
    bool second = false;  // compare: the other source is being read
    std::array<std::byte, sim::kPageSize> data;
    std::array<std::byte, sim::kPageSize> other;
  };

  struct Batch {
    bool active = false;
    bool fetching = false;
    bool ended = false;      // no further member begins
    bool abandoned = false;  // no record, no interrupt
    bool list_fault = false;
    Work work;
    std::uint32_t next = 0;     // member to begin
    std::uint32_t fetched = 0;  // members whose descriptors have been fetched
    std::uint32_t in_progress = 0;
    std::uint32_t completed = 0;
    std::uint32_t failed = 0;
    std::array<Descriptor, sim::kPageSize / sizeof(Descriptor)> list;
    std::uint32_t list_first = 0;  // member number of list[0]

    bool all_begun() const { return ended || next == work.descriptor.size; }
  };

  void on_issue();
  void schedule_issue(sim::Time at);
  bool start_next();
  bool start_member();
  void begin_batch(const Work& work);
  void fetch_list();
  void on_list();
  void finish_batch_if_done();
  void on_batch_done();
  void begin(const Work& work, std::uint32_t batch_index, const DescriptorVerdict& verdict);
  void issue_page(Operation& operation);
  void send_page(Operation& operation, Transfer& transfer);
  void fill_page(Operation& operation, std::uint64_t offset, std::uint32_t length);
  void compare_page(Operation& operation, Transfer& transfer);
  void page_ended(Operation& operation);
  void complete(Operation& operation);
  Outcome outcome_of(const Operation& operation) const;
  void read_back(const Operation& operation);
  static std::optional<std::uint32_t> member(std::uint32_t batch_index);
  void write_record(const Work& work, const Outcome& outcome, std::uint32_t batch_index);

  EngineHost& host_;
  sim::Simulation& simulation_;
  sim::ActorId actor_;
  std::uint32_t index_;
  sim::Duration per_descriptor_;
  sim::MemberEvent<&Engine::on_issue> issue_;
  sim::MemberEvent<&Engine::on_list> list_arrived_;
  sim::MemberEvent<&Engine::on_batch_done> batch_done_;
  std::deque<Operation> operations_;  // never grows after construction
  std::deque<Transfer> transfers_;
  std::uint32_t free_operations_ = 0;  // bit per element
  std::uint32_t free_transfers_ = 0;
  std::uint32_t issuing_ = kNone;  // operation whose pages are being sent
  sim::Time busy_until_;           // decoding
  Batch batch_;
  std::array<std::byte, sim::kPageSize> fill_;  // the page that Fill is writing
};

}  // namespace baton::devices::dsa
