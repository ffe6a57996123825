// How a descriptor ended, and its completion record [DSA 341204, chapter 8].
#include <array>

#include "model/devices/dsa/engine.h"

namespace baton::devices::dsa {
namespace {

// Digest of an end, for the fingerprint.
std::uint64_t digest(const Work& work, const Outcome& outcome) {
  return work.descriptor.record_address ^ outcome.completed << 8 ^
         static_cast<std::uint64_t>(outcome.status);
}

}  // namespace

Outcome Engine::outcome_of(const Operation& operation) const {
  const Descriptor& d = operation.work.descriptor;
  Outcome outcome{.status = operation.verdict.status,
                  .invalid_flags = operation.verdict.invalid_flags};
  if (outcome.status != Status::kNone) return outcome;
  outcome.status = Status::kSuccess;
  if (d.opcode() == Opcode::kNoop || d.opcode() == Opcode::kDrain) return outcome;
  outcome.completed = d.size;
  if (operation.backward) outcome.result = 1;
  // AMBIGUOUS: what "bytes completed" says after a hardware error. Here: the bytes before the first
  // that failed, in the direction of the move.
  const bool differs_first = operation.differs_at < operation.failed_at;
  if (operation.failed_at != kNowhere && !differs_first) {
    outcome.status = Status::kReadError;
    outcome.completed = operation.backward ? 0 : operation.failed_at;
    return outcome;
  }
  if (d.opcode() == Opcode::kCompare) {
    outcome.result = operation.differs_at == kNowhere ? 0 : 1;
    if (outcome.result == 1) outcome.completed = operation.differs_at;
    if (d.has(flag::kCheckResult) && outcome.result != (d.expected_result & 1)) {
      outcome.status = Status::kFalsePredicate;
    }
  }
  return outcome;
}

// Drain reads what earlier writes wrote, so that they are globally visible. In this fabric a posted
// write is visible when it is sent; the reads are made because hardware makes them.
void Engine::read_back(const Operation& operation) {
  const Descriptor& d = operation.work.descriptor;
  std::array<std::byte, 8> data;
  if (d.has(flag::kReadback1Valid)) host_.dma_read(operation.work.wq, d.source & ~7ull, data);
  if (d.has(flag::kReadback2Valid)) host_.dma_read(operation.work.wq, d.destination & ~7ull, data);
}

// The record, if it is wanted and can be written, then the interrupt: both are posted writes, so
// who takes the interrupt finds the record.
void Engine::write_record(const Work& work, const Outcome& outcome, std::uint32_t batch_index) {
  const Descriptor& d = work.descriptor;
  simulation_.fold(actor_, "dsa-record", digest(work, outcome));
  const bool normal = outcome.status == Status::kSuccess ||
                      outcome.status == Status::kFalsePredicate ||
                      outcome.status == Status::kBatchFailed;
  const bool usable =
      d.has(flag::kRecordAddressValid) && outcome.status != Status::kRecordAlignment;
  if (usable && (d.has(flag::kRequestRecord) || !normal)) {
    CompletionRecord record;
    record.status = static_cast<std::uint8_t>(outcome.status);
    record.result = outcome.result;
    record.bytes_completed = static_cast<std::uint32_t>(outcome.completed);
    record.invalid_flags = outcome.invalid_flags;
    host_.dma_write(work.wq, d.record_address, std::as_bytes(std::span(&record, 1)));
  }
  if (!usable && !normal) {
    host_.report_error(work, outcome, member(batch_index));
  }
  if (d.has(flag::kRequestInterrupt) && outcome.status != Status::kInterruptHandle &&
      outcome.status != Status::kInvalidFlags) {
    host_.raise(d.interrupt_handle);
  }
}

}  // namespace baton::devices::dsa
