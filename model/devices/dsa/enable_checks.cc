#include "model/devices/dsa/enable_checks.h"

#include <algorithm>
#include <array>
#include <bit>

namespace baton::devices::dsa {
namespace {

std::uint32_t size_of(const RegisterFile& r, std::uint32_t wq) {
  return static_cast<std::uint32_t>(r.wq(wqcfg::kSize, wq));
}

std::uint32_t engines_of(const RegisterFile& r, std::uint32_t group) {
  return static_cast<std::uint32_t>(std::popcount(r.group(grpcfg::kEngines, group)));
}

bool unused(const RegisterFile& r, std::uint32_t group) {
  return r.group(grpcfg::kWqs, group) == 0 && r.group(grpcfg::kEngines, group) == 0;
}

CommandError check_sizes(const RegisterFile& r) {
  std::uint32_t total = 0;
  for (std::uint32_t w = 0; w < kWqCount; ++w) total += size_of(r, w);
  return total <= kTotalWqSize ? CommandError::kNone : CommandError::kWqSize;
}

CommandError check_groups(const RegisterFile& r) {
  for (std::uint32_t g = 0; g < kGroupCount; ++g) {
    const bool wqs = r.group(grpcfg::kWqs, g) != 0;
    const bool engines = r.group(grpcfg::kEngines, g) != 0;
    if (wqs != engines) return CommandError::kGroup;
  }
  return CommandError::kNone;
}

// A queue with entries is in exactly one group, one without in none.
CommandError check_wq_membership(const RegisterFile& r) {
  std::array<unsigned, kWqCount> groups{};
  for (std::uint32_t g = 0; g < kGroupCount; ++g) {
    const std::uint16_t base = RegisterFile::group_base(g);
    for (std::uint16_t high = 8; high < 32; high = static_cast<std::uint16_t>(high + 8)) {
      if (r.get(static_cast<std::uint16_t>(base + high), 8) != 0) {
        return CommandError::kWqMembership;
      }
    }
    const std::uint64_t wqs = r.group(grpcfg::kWqs, g);
    if (wqs >> kWqCount != 0) return CommandError::kWqMembership;
    for (std::uint32_t w = 0; w < kWqCount; ++w) groups[w] += (wqs >> w & 1) != 0 ? 1u : 0u;
  }
  for (std::uint32_t w = 0; w < kWqCount; ++w) {
    if (groups[w] != (size_of(r, w) > 0 ? 1u : 0u)) return CommandError::kWqMembership;
  }
  return CommandError::kNone;
}

CommandError check_engine_membership(const RegisterFile& r) {
  std::uint64_t seen = 0;
  for (std::uint32_t g = 0; g < kGroupCount; ++g) {
    const std::uint64_t engines = r.group(grpcfg::kEngines, g);
    if (engines >> kEngineCount != 0 || (engines & seen) != 0) {
      return CommandError::kEngineMembership;
    }
    seen |= engines;
  }
  return CommandError::kNone;
}

CommandError check_read_buffers(const RegisterFile& r) {
  std::uint32_t reserved_sum = 0;
  std::uint32_t limited_engines = 0;
  for (std::uint32_t g = 0; g < kGroupCount; ++g) {
    reserved_sum += static_cast<std::uint32_t>(r.group(grpcfg::kReserved, g));
    if (r.group(grpcfg::kUseLimit, g) != 0) limited_engines += engines_of(r, g);
  }
  if (reserved_sum > kReadBuffers) return CommandError::kReadBufferConfig;
  const auto limit = static_cast<std::uint32_t>(r.get(field::kReadBufferLimit));
  if (limit > kReadBuffers || limit < 4 * limited_engines) return CommandError::kReadBufferConfig;
  for (std::uint32_t g = 0; g < kGroupCount; ++g) {
    if (unused(r, g)) continue;
    const auto reserved = static_cast<std::uint32_t>(r.group(grpcfg::kReserved, g));
    const auto allowed = static_cast<std::uint32_t>(r.group(grpcfg::kAllowed, g));
    if (allowed < std::max(4 * engines_of(r, g), reserved)) return CommandError::kReadBufferConfig;
    if (allowed > reserved + (kReadBuffers - reserved_sum)) return CommandError::kReadBufferConfig;
  }
  return CommandError::kNone;
}

}  // namespace

CommandError check_enable_device(const RegisterFile& registers, const PciEnables& pci) {
  if (!pci.bus_master) return CommandError::kBusMasterOff;
  for (const auto& step : {check_sizes, check_groups, check_wq_membership, check_engine_membership,
                           check_read_buffers}) {
    if (const CommandError error = step(registers); error != CommandError::kNone) return error;
  }
  return CommandError::kNone;
}

CommandError check_enable_wq(const RegisterFile& r, const PciEnables& pci, std::uint32_t wq) {
  if (wq >= kWqCount) return CommandError::kBadWq;
  const CommandError by_state = r.check(wq, WqEvent::kEnable);
  if (by_state != CommandError::kNone) return by_state;
  if (size_of(r, wq) == 0) return CommandError::kWqSizeZero;
  if (r.wq(wqcfg::kPriority, wq) == 0) return CommandError::kPriorityZero;
  if (r.wq(wqcfg::kBlockOnFault, wq) != 0) return CommandError::kBlockOnFault;
  const bool dedicated = r.wq(wqcfg::kMode, wq) != 0;
  const bool pasid = r.wq(wqcfg::kPasidEnable, wq) != 0;
  if (!dedicated && !pasid) return CommandError::kPasidEnable;
  if (pasid && !pci.pasid) return CommandError::kPasidEnable;
  if (dedicated && pasid && r.wq(wqcfg::kPriv, wq) != 0 && !pci.privileged) {
    return CommandError::kPriv;
  }
  if (r.wq(wqcfg::kMaxTransfer, wq) > kMaxTransferShift) return CommandError::kMaxTransfer;
  const std::uint64_t batch_shift = r.wq(wqcfg::kMaxBatch, wq);
  if (batch_shift == 0 || batch_shift > kMaxBatchShift) return CommandError::kMaxBatch;
  for (std::uint16_t qword = 0; qword < 4; ++qword) {
    const auto at =
        static_cast<std::uint16_t>(RegisterFile::wq_base(wq) + wqcfg::kOperations + 8 * qword);
    if ((r.get(at, 8) & ~(qword == 0 ? kOpcapValue : 0)) != 0) return CommandError::kOperations;
  }
  if (r.wq(wqcfg::kPrsDisable, wq) != 0) return CommandError::kPrsDisable;
  return CommandError::kNone;
}

}  // namespace baton::devices::dsa
