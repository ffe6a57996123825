#include "model/devices/dsa/engine.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "sim/check.h"

namespace baton::devices::dsa {
namespace {

using sim::kPageSize;

constexpr std::uint32_t all_free(std::uint32_t count) { return (1u << count) - 1; }

// Bytes that fit into the page of `address` from there on.
std::uint64_t room_after(std::uint64_t address) { return kPageSize - address % kPageSize; }
// Bytes of the page that ends at `end` (exclusive) before it.
std::uint64_t room_before(std::uint64_t end) { return (end - 1) % kPageSize + 1; }

// Memory Move runs backwards when it would overwrite what it still has to read.
bool must_run_backward(const Descriptor& d) {
  return d.opcode() == Opcode::kMemoryMove && d.destination > d.source &&
         d.destination - d.source < d.size;
}

}  // namespace

// What the host is told of a member's index.
std::optional<std::uint32_t> Engine::member(std::uint32_t batch_index) {
  return batch_index == kNone ? std::nullopt : std::optional(batch_index);
}

Engine::Operation::Operation(Engine& owner, sim::ActorId actor, std::uint32_t number)
    : engine(owner), done(*this, actor, "dsa-done", sim::Phase::kDevice), index(number) {}

void Engine::Operation::on_done() { engine.complete(*this); }

Engine::Transfer::Transfer(Engine& owner, sim::ActorId actor, std::uint32_t number)
    : engine(owner), arrived(*this, actor, "dsa-page", sim::Phase::kDevice), index(number) {}

Engine::Engine(EngineHost& host, sim::Simulation& simulation, sim::ActorId actor,
               std::uint32_t index, sim::Duration per_descriptor)
    : host_(host),
      simulation_(simulation),
      actor_(actor),
      index_(index),
      per_descriptor_(per_descriptor),
      issue_(*this, actor, "dsa-issue", sim::Phase::kDevice),
      list_arrived_(*this, actor, "dsa-batch-list", sim::Phase::kDevice),
      batch_done_(*this, actor, "dsa-batch-done", sim::Phase::kDevice),
      free_operations_(all_free(kOperations)),
      free_transfers_(all_free(kTransfers)) {
  for (std::uint32_t i = 0; i < kOperations; ++i) operations_.emplace_back(*this, actor, i);
  for (std::uint32_t i = 0; i < kTransfers; ++i) transfers_.emplace_back(*this, actor, i);
}

void Engine::kick() { schedule_issue(std::max(simulation_.now(), busy_until_)); }

void Engine::schedule_issue(sim::Time at) {
  if (!issue_.scheduled()) simulation_.schedule_at(issue_, at);
}

void Engine::clear() {
  for (Operation& operation : operations_) simulation_.cancel(operation.done);
  for (Transfer& transfer : transfers_) simulation_.cancel(transfer.arrived);
  simulation_.cancel(issue_);
  simulation_.cancel(list_arrived_);
  simulation_.cancel(batch_done_);
  free_operations_ = all_free(kOperations);
  free_transfers_ = all_free(kTransfers);
  issuing_ = kNone;
  batch_.active = false;
}

bool Engine::holds(std::uint32_t wq, std::uint64_t ticket) const {
  if (batch_.active && batch_.work.wq == wq && batch_.work.ticket <= ticket) return true;
  return std::any_of(operations_.begin(), operations_.end(), [&](const Operation& operation) {
    return (free_operations_ >> operation.index & 1) == 0 && operation.work.wq == wq &&
           operation.work.ticket <= ticket;
  });
}

void Engine::on_issue() {
  if (issuing_ == kNone && !start_next()) return;
  if (busy_until_ > simulation_.now()) {
    schedule_issue(busy_until_);
    return;
  }
  if (issuing_ == kNone) {  // what was started has no pages
    schedule_issue(simulation_.now());
    return;
  }
  if (free_transfers_ == 0) return;  // an arrival kicks
  if (host_.bandwidth_free_at() > simulation_.now()) {
    schedule_issue(host_.bandwidth_free_at());
    return;
  }
  Operation& operation = operations_[issuing_];
  issue_page(operation);
  if (operation.all_issued()) issuing_ = kNone;
  schedule_issue(std::max(simulation_.now(), host_.bandwidth_free_at()));
}

// Begins the next descriptor; false if there is none to begin now.
bool Engine::start_next() {
  if (free_operations_ == 0) return false;
  if (batch_.active) return start_member();
  Work work;
  if (!host_.take_work(index_, work)) return false;
  const DescriptorVerdict verdict = check(work.descriptor, host_.rules(work, false));
  if (verdict.status == Status::kNone && work.descriptor.opcode() == Opcode::kBatch) {
    begin_batch(work);
    return false;
  }
  begin(work, kNone, verdict);
  return true;
}

void Engine::begin(const Work& work, std::uint32_t batch_index, const DescriptorVerdict& verdict) {
  const auto index = static_cast<std::uint32_t>(std::countr_zero(free_operations_));
  free_operations_ &= ~(1u << index);
  Operation& operation = operations_[index];
  operation.work = work;
  operation.batch_index = batch_index;
  operation.backward = must_run_backward(work.descriptor);
  operation.outstanding = 0;
  operation.issued = 0;
  operation.failed_at = kNowhere;
  operation.differs_at = kNowhere;
  operation.verdict = verdict;
  busy_until_ = simulation_.now() + per_descriptor_;
  host_.began(index_, work, member(batch_index));
  const Opcode opcode = work.descriptor.opcode();
  const bool has_pages =
      opcode == Opcode::kMemoryMove || opcode == Opcode::kFill || opcode == Opcode::kCompare;
  if (operation.verdict.status == Status::kNone && has_pages) {
    issuing_ = index;
  } else {
    simulation_.schedule_at(operation.done, busy_until_);
  }
}

// Sends the next page: up to the next page boundary of any of its addresses.
void Engine::issue_page(Operation& operation) {
  const Descriptor& d = operation.work.descriptor;
  const bool two_addresses = d.opcode() != Opcode::kFill;
  std::uint64_t length = d.size - operation.issued;
  std::uint64_t offset = operation.issued;
  if (operation.backward) {
    const std::uint64_t end = d.size - operation.issued;
    length = std::min({length, room_before(d.source + end), room_before(d.destination + end)});
    offset = end - length;
  } else {
    length = std::min(length, room_after(d.destination + offset));
    if (two_addresses) length = std::min(length, room_after(d.source + offset));
  }
  operation.issued += length;
  host_.use_bandwidth(length);
  if (d.opcode() == Opcode::kFill) {
    fill_page(operation, offset, static_cast<std::uint32_t>(length));
    return;
  }
  const auto index = static_cast<std::uint32_t>(std::countr_zero(free_transfers_));
  free_transfers_ &= ~(1u << index);
  ++operation.outstanding;
  Transfer& transfer = transfers_[index];
  transfer.operation = operation.index;
  transfer.offset = offset;
  transfer.length = static_cast<std::uint32_t>(length);
  transfer.second = false;
  send_page(operation, transfer);
}

void Engine::send_page(Operation& operation, Transfer& transfer) {
  const Descriptor& d = operation.work.descriptor;
  const std::uint64_t base = transfer.second ? d.destination : d.source;
  auto& buffer = transfer.second ? transfer.other : transfer.data;
  const pci::Completion completion = host_.dma_read(operation.work.wq, base + transfer.offset,
                                                    std::span(buffer).first(transfer.length));
  transfer.failed = completion.status != pci::CompletionStatus::kSuccess;
  simulation_.schedule(transfer.arrived, completion.latency);
}

// A posted write: nothing comes back, so nothing is waited for.
void Engine::fill_page(Operation& operation, std::uint64_t offset, std::uint32_t length) {
  const Descriptor& d = operation.work.descriptor;
  std::array<std::byte, 8> pattern;
  std::memcpy(pattern.data(), &d.source, pattern.size());
  for (std::uint32_t i = 0; i < length; ++i) {
    fill_[i] = pattern[(offset + i) % pattern.size()];
  }
  host_.dma_write(operation.work.wq, d.destination + offset,
                  std::span<const std::byte>(fill_).first(length));
  if (operation.all_issued()) {
    simulation_.schedule(operation.done, sim::Duration::picoseconds(0));
  }
}

void Engine::Transfer::on_arrived() {
  Operation& op = engine.operations_[operation];
  const Descriptor& d = op.work.descriptor;
  if (failed) {
    op.failed_at = std::min(op.failed_at, offset);
  } else if (d.opcode() == Opcode::kCompare) {
    if (!second && !op.stopped()) {
      second = true;
      engine.send_page(op, *this);
      return;
    }
    if (second) engine.compare_page(op, *this);
  } else if (!op.stopped()) {
    engine.host_.dma_write(op.work.wq, d.destination + offset,
                           std::span<const std::byte>(data).first(length));
  }
  engine.free_transfers_ |= 1u << index;
  engine.page_ended(op);
}

void Engine::compare_page(Operation& operation, Transfer& transfer) {
  const auto end = transfer.data.begin() + transfer.length;
  const auto [first, second] = std::mismatch(transfer.data.begin(), end, transfer.other.begin());
  if (first == end) return;
  const auto at = static_cast<std::uint64_t>(first - transfer.data.begin());
  operation.differs_at = std::min(operation.differs_at, transfer.offset + at);
}

void Engine::page_ended(Operation& operation) {
  --operation.outstanding;
  if (operation.stopped() && issuing_ == operation.index) issuing_ = kNone;
  if (operation.all_issued() && operation.outstanding == 0) {
    simulation_.schedule(operation.done, sim::Duration::picoseconds(0));
  }
  kick();
}

void Engine::complete(Operation& operation) {
  const Outcome outcome = outcome_of(operation);
  const Work work = operation.work;
  const std::uint32_t batch_index = operation.batch_index;
  if (work.descriptor.opcode() == Opcode::kDrain && outcome.status == Status::kSuccess) {
    read_back(operation);
  }
  free_operations_ |= 1u << operation.index;
  write_record(work, outcome, batch_index);
  if (batch_index != kNone) {
    --batch_.in_progress;
    ++batch_.completed;
    if (outcome.status != Status::kSuccess) ++batch_.failed;
    finish_batch_if_done();
  }
  host_.ended(work, outcome, member(batch_index));
  kick();
}

}  // namespace baton::devices::dsa
