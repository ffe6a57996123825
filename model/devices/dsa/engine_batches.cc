// An engine's batch: its list of descriptors, fetched page by page, and its end [DSA 341204,
// chapters 3 and 8].
#include <algorithm>

#include "model/devices/dsa/engine.h"

namespace baton::devices::dsa {

void Engine::begin_batch(const Work& work) {
  batch_.active = true;
  batch_.fetching = false;
  batch_.ended = false;
  batch_.abandoned = false;
  batch_.list_fault = false;
  batch_.work = work;
  batch_.next = 0;
  batch_.fetched = 0;
  batch_.in_progress = 0;
  batch_.completed = 0;
  batch_.failed = 0;
  host_.began(index_, work, std::nullopt);
  fetch_list();
}

// Reads the part of the descriptor list that lies in one page.
void Engine::fetch_list() {
  const std::uint64_t address = batch_.work.descriptor.source + batch_.fetched * 64ull;
  const std::uint64_t left = (batch_.work.descriptor.size - batch_.fetched) * 64ull;
  const std::uint64_t length = std::min(left, sim::kPageSize - address % sim::kPageSize);
  const auto bytes = std::as_writable_bytes(std::span(batch_.list)).first(length);
  const pci::Completion completion = host_.dma_read(batch_.work.wq, address, bytes);
  batch_.list_first = batch_.fetched;
  batch_.list_fault = completion.status != pci::CompletionStatus::kSuccess;
  batch_.fetching = true;
  if (!batch_.list_fault) batch_.fetched += static_cast<std::uint32_t>(length / 64);
  simulation_.schedule(list_arrived_, completion.latency);
}

void Engine::on_list() {
  batch_.fetching = false;
  if (batch_.list_fault) batch_.ended = true;
  kick();
}

bool Engine::start_member() {
  if (batch_.fetching) return false;
  if (batch_.all_begun()) {
    finish_batch_if_done();
    return false;
  }
  if (batch_.next == batch_.fetched) {
    fetch_list();
    return false;
  }
  const Descriptor& member = batch_.list[batch_.next - batch_.list_first];
  if (member.has(flag::kFence)) {
    if (batch_.in_progress != 0) return false;
    if (batch_.failed != 0) {
      batch_.ended = true;
      finish_batch_if_done();
      return false;
    }
  }
  const Work work{member, batch_.work.ticket, batch_.work.wq};
  ++batch_.in_progress;
  begin(work, batch_.next++, check(work.descriptor, host_.rules(work, true)));
  return true;
}

void Engine::finish_batch_if_done() {
  const bool done = batch_.all_begun() && batch_.in_progress == 0 && !batch_.fetching;
  if (done && !batch_done_.scheduled()) {
    simulation_.schedule(batch_done_, sim::Duration::picoseconds(0));
  }
}

void Engine::on_batch_done() {
  const Work work = batch_.work;
  Outcome outcome{.completed = batch_.completed};
  if (batch_.failed != 0 || batch_.completed != work.descriptor.size) {
    outcome.status = Status::kBatchFailed;
  }
  // AMBIGUOUS: status 06 is for a list that could not be translated; an untranslated read that
  // fails is a hardware error on a read everywhere else, and so it is here.
  if (batch_.list_fault) outcome.status = Status::kReadError;
  const bool silent = batch_.abandoned;
  batch_.active = false;
  if (!silent) write_record(work, outcome, kNone);
  host_.ended(work, outcome, std::nullopt);
  kick();
}

void Engine::abandon(std::uint32_t wq) {
  if (!batch_.active || batch_.work.wq != wq) return;
  batch_.abandoned = true;
  batch_.ended = true;
  finish_batch_if_done();
}

}  // namespace baton::devices::dsa
