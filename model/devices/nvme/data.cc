// The data of reads and writes: PRP entries and lists, pages, the rate [NVMe 1.4, 4.3].
#include <algorithm>
#include <bit>

#include "model/devices/nvme/controller.h"

namespace baton::devices::nvme {
namespace {

constexpr std::uint64_t kPageMask = sim::kPageSize - 1;

std::uint64_t pages_of(std::uint64_t bytes) { return (bytes + kPageMask) / sim::kPageSize; }

}  // namespace

// PRP1 leads to the first page, from any dword of it on. PRP2 is the second and last page, or a
// list of all others.
void Controller::start_data(Command& command) {
  const SubmissionEntry& entry = command.entry;
  const std::uint64_t first = std::min(command.length, sim::kPageSize - (entry.prp1 & kPageMask));
  const std::uint64_t rest = command.length - first;
  command.uses_list = rest > sim::kPageSize;
  command.list_wanted = false;
  command.list_next = 0;
  command.list_count = 0;
  command.list_at = entry.prp2;
  const bool single_page_offset = rest != 0 && !command.uses_list && (entry.prp2 & kPageMask) != 0;
  const bool list_offset = command.uses_list && entry.prp2 % 8 != 0;
  if (entry.prp1 % 4 != 0 || single_page_offset || list_offset) {
    complete(command, Status::kInvalidPrpOffset);
    return;
  }
  command.stage = Stage::kMoving;
  command.data_from =
      simulation_.now() + (command.to_host() ? config_.media_read : config_.media_write);
  moving_.push_back(command.tag);
  if (command.uses_list) fetch_list(command);
  schedule_issue(simulation_.now());
}

// The part of the list that lies in one page. Its last entry leads to the next part if more pages
// are needed than the part has room for.
void Controller::fetch_list(Command& command) {
  const std::uint64_t first =
      std::min(command.length, sim::kPageSize - (command.entry.prp1 & kPageMask));
  const std::uint64_t left = command.length - std::max(command.issued, first);
  const std::uint64_t room = (sim::kPageSize - (command.list_at & kPageMask)) / 8;
  const auto count = static_cast<std::uint32_t>(std::min(pages_of(left), room));
  const pci::Completion completion =
      read(command.list_at, std::as_writable_bytes(std::span(command.list).first(count)));
  command.fetch_failed = completion.status != pci::CompletionStatus::kSuccess;
  command.list_next = 0;
  command.list_count = count;
  const bool goes_on = pages_of(left) > room;
  command.list_at = 0;
  if (goes_on && !command.fetch_failed) {
    command.list_at = command.list[count - 1];
    --command.list_count;
  }
  command.list_wanted = true;
  simulation_.schedule(command.step, completion.latency);
}

void Controller::list_arrived(Command& command) {
  command.list_wanted = false;
  if (command.fetch_failed) {
    page_failed(command, Status::kDataTransferError);
  } else if (command.list_count == 0) {
    next_list_part(command);  // there was nothing but a pointer to it
  }
  schedule_issue(simulation_.now());
}

// Where the next data lies; nothing while its list is on its way.
std::optional<std::uint64_t> Controller::next_page(const Command& command) const {
  if (command.issued == 0) return command.entry.prp1;
  if (!command.uses_list) return command.entry.prp2;
  if (command.list_wanted || command.list_next == command.list_count) return std::nullopt;
  return command.list[command.list_next];
}

void Controller::schedule_issue(sim::Time at) {
  if (!issue_event_.scheduled()) simulation_.schedule_at(issue_event_, at);
}

void Controller::on_issue() {
  if (!working() || moving_.empty()) return;
  Command& command = commands_[moving_.front()];
  if (command.all_issued()) {
    moving_.pop_front();
    finish_if_done(command);
    schedule_issue(simulation_.now());
    return;
  }
  const sim::Time ready = std::max(command.data_from, bandwidth_free_at_);
  if (ready > simulation_.now()) {
    schedule_issue(ready);
    return;
  }
  if (!command.to_host() && free_transfers_ == 0) return;  // an arrival goes on
  const auto address = next_page(command);
  if (!address) return;  // the list's arrival goes on
  issue_page(command, *address);
  schedule_issue(std::max(simulation_.now(), bandwidth_free_at_));
}

void Controller::issue_page(Command& command, std::uint64_t address) {
  if (command.issued != 0 && (address & kPageMask) != 0) {
    page_failed(command, Status::kInvalidPrpOffset);
    return;
  }
  const std::uint64_t length =
      std::min(command.length - command.issued, sim::kPageSize - (address & kPageMask));
  const std::uint64_t at = command.disk_offset + command.issued;
  if (command.issued != 0 && command.uses_list) ++command.list_next;
  command.issued += length;
  use_bandwidth(length);
  if (command.to_host()) {
    std::array<std::byte, sim::kPageSize> data;
    const auto part = std::span(data).first(length);
    disk_.read(at, part);
    const pci::Completion sent = write(address, part);
    if (sent.status != pci::CompletionStatus::kSuccess) {
      page_failed(command, Status::kDataTransferError);
    }
  } else {
    const auto index = static_cast<std::uint32_t>(std::countr_zero(free_transfers_));
    free_transfers_ &= ~(1U << index);
    Transfer& transfer = transfers_[index];
    transfer.tag = command.tag;
    transfer.length = static_cast<std::uint32_t>(length);
    transfer.disk_offset = at;
    const pci::Completion completion = read(address, std::span(transfer.data).first(length));
    transfer.failed = completion.status != pci::CompletionStatus::kSuccess;
    ++command.outstanding;
    simulation_.schedule(transfer.arrived, completion.latency);
  }
  const bool more = !command.all_issued() && command.uses_list;
  if (more && !command.list_wanted && command.list_next == command.list_count) {
    next_list_part(command);
  }
}

// Parts but the first begin at the start of a page.
void Controller::next_list_part(Command& command) {
  if ((command.list_at & kPageMask) != 0) {
    page_failed(command, Status::kInvalidPrpOffset);
  } else {
    fetch_list(command);
  }
}

void Controller::Transfer::on_arrived() {
  Command& command = controller.commands_[tag];
  controller.free_transfers_ |= 1U << index;
  --command.outstanding;
  if (failed) {
    controller.page_failed(command, Status::kDataTransferError);
  } else if (!command.failed()) {
    controller.disk_.write(disk_offset, std::span<const std::byte>(data).first(length));
  }
  controller.finish_if_done(command);
  controller.schedule_issue(controller.simulation_.now());
}

// The command moves nothing more; its first error is the one it reports.
void Controller::page_failed(Command& command, Status status) {
  if (!command.failed()) command.status = status;
}

// All pages have been sent for, and have arrived.
void Controller::finish_if_done(Command& command) {
  if (command.stage != Stage::kMoving || command.outstanding != 0 || command.list_wanted) return;
  if (!command.all_issued() || std::ranges::count(moving_, command.tag) != 0) return;
  complete(command, command.status);
}

// Keeps the fraction of a picosecond, so that the rate is exact in the long run.
void Controller::use_bandwidth(std::uint64_t bytes) {
  constexpr std::uint64_t kPicoseconds = 1'000'000'000'000;
  const std::uint64_t numerator = bytes * kPicoseconds + bandwidth_remainder_;
  const std::uint64_t ps = numerator / config_.bytes_per_second;
  bandwidth_remainder_ = numerator % config_.bytes_per_second;
  bandwidth_free_at_ = std::max(bandwidth_free_at_, simulation_.now()) +
                       sim::Duration::picoseconds(static_cast<std::int64_t>(ps));
}

}  // namespace baton::devices::nvme
