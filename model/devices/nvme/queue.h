// A submission and a completion queue of the controller [NVMe 1.4, 4.1].
#pragma once

#include <cstdint>

namespace baton::devices::nvme {

struct SubmissionQueue {
  bool exists = false;
  std::uint64_t base = 0;
  std::uint32_t entries = 0;
  std::uint16_t completion_queue = 0;
  std::uint32_t head = 0;  // next entry to fetch
  std::uint32_t tail = 0;  // as the doorbell says

  bool empty() const { return head == tail; }
  std::uint32_t waiting() const { return (tail + entries - head) % entries; }
};

struct CompletionQueue {
  bool exists = false;
  std::uint64_t base = 0;
  std::uint32_t entries = 0;
  std::uint32_t head = 0;  // as the doorbell says
  std::uint32_t tail = 0;  // next entry to write
  bool phase = true;       // of the next entry
  bool interrupts = false;
  std::uint16_t vector = 0;

  bool full() const { return (tail + 1) % entries == head; }
};

}  // namespace baton::devices::nvme
