#include "model/pci/function.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "model/pci/bus.h"
#include "model/pci/error_messages.h"
#include "model/pci/fabric.h"
#include "model/pci/observations.h"
#include "model/pci/offset.h"
#include "model/pci/sriov.h"
#include "sim/check.h"

namespace baton::pci {
namespace {

constexpr std::uint16_t kCommand = 0x04;
constexpr std::uint32_t kMemorySpace = 1U << 1;
constexpr std::uint32_t kBusMaster = 1U << 2;
constexpr std::uint32_t kFlrCapable = 1U << 28;   // Device Capabilities
constexpr std::uint32_t kInitiateFlr = 1U << 15;  // Device Control
constexpr std::uint32_t kNoSoftReset = 1U << 3;   // PMCSR
constexpr unsigned kAerLength = 0x2C;
constexpr unsigned kAerRootLength = 0x38;

// The value that an access of `width` at `offset` holds for the register of `bytes` at `at`; bits
// that the access does not cover come from `old`.
std::uint32_t written_part(std::uint16_t offset, unsigned width, std::uint32_t value,
                           std::uint16_t at, unsigned bytes, std::uint32_t old) {
  std::uint32_t result = old;
  for (unsigned i = 0; i < bytes; ++i) {
    const unsigned byte = at + i;
    if (byte < offset || byte >= offset + width) continue;
    const std::uint32_t part = value >> (8 * (byte - offset)) & 0xFF;
    result = (result & ~(0xFFU << (8 * i))) | part << (8 * i);
  }
  return result;
}

}  // namespace

Function::Function(sim::Simulation& simulation, std::string name, ConfigSpace config)
    : simulation_(simulation),
      name_(std::move(name)),
      actor_(simulation.add_actor(name_)),
      config_(std::move(config)),
      config_written_(simulation.topic<ConfigWritten>()),
      request_done_(simulation.topic<RequestDone>()),
      function_reset_(simulation.topic<FunctionReset>()),
      interrupt_raised_(simulation.topic<InterruptRaised>()),
      interrupt_held_(simulation.topic<InterruptHeld>()),
      express_(config_.find(CapabilityId::kExpress)),
      aer_(config_.find(ExtendedCapabilityId::kAer)),
      pm_(config_.find(CapabilityId::kPowerManagement)) {
  const std::uint16_t msix = config_.find(CapabilityId::kMsix);
  if (msix != 0 && msix + 12 <= config_.size()) msix_ = std::make_unique<Msix>(config_, msix);
  if (pm_ + 8 > config_.size()) pm_ = 0;
  ats_ = config_.find(ExtendedCapabilityId::kAts);
  pri_ = config_.find(ExtendedCapabilityId::kPri);
  const std::uint16_t msi = config_.find(CapabilityId::kMsi);
  if (msi != 0 && msi + 24 <= kConfigSize &&
      msi + Msi::length(config_.get(plus(msi, 2), 2)) <= config_.size()) {
    msi_.emplace(msi);
  }
  find_error_reporting();
  const std::uint16_t sriov = config_.find(ExtendedCapabilityId::kSriov);
  if (sriov != 0 && sriov + Sriov::kLength <= config_.size()) {
    sriov_ = std::make_unique<Sriov>(*this, sriov);
  }
  if (ats_ != 0 && ats_ + 8 <= config_.size()) device_tlb_ = std::make_unique<DeviceTlb>();
  config_.tell(this);
}

Function::~Function() = default;

// Structures that a recording cuts off do not count.
void Function::find_error_reporting() {
  if (express_ + 0x0C > config_.size()) express_ = 0;
  if (aer_ + kAerLength > config_.size()) aer_ = 0;
  if (express_ == 0 || aer_ == 0 || aer_ + kAerRootLength > config_.size()) return;
  const auto type = static_cast<PortType>(config_.get(plus(express_, 2), 2) >> 4 & 0xF);
  if (type == PortType::kRootPort || type == PortType::kRcEventCollector) {
    root_errors_ = std::make_unique<RootErrors>(*this, aer_);
  }
}

const Function* Function::physical_function() const {
  return home_ == nullptr ? nullptr : &home_->physical();
}

// A virtual function has its place while it is hidden, too.
Sbdf Function::location() const {
  if (bus_ == nullptr && home_ != nullptr) {
    const Sbdf physical = home_->physical().location();
    return {physical.segment, home_->routing_id(physical.bdf, index_)};
  }
  BATON_CHECK(bus_ != nullptr, "a function that is on no bus");
  return {bus_->segment(), Bdf(bus_->number(), device_, function_)};
}

std::uint32_t Function::config_read(std::uint16_t offset, unsigned width) {
  return config_.read(offset, width);
}

void Function::config_write(std::uint16_t offset, unsigned width, std::uint32_t value,
                            Bdf addressed_as) {
  captured_bus_ = static_cast<std::uint8_t>(addressed_as.bus());
  captured_device_ = static_cast<std::uint8_t>(addressed_as.device());
  if (sriov_ != nullptr) sriov_->capture_bus(captured_bus_);
  if (offset + width > config_.size()) return;
  const std::uint32_t old_value = config_.get(offset, width);
  const bool flr = starts_reset(offset, width, value);
  const bool had_services = translation_services_enabled();
  const unsigned old_state = power_state();
  config_.write(offset, width, allowed_power_state(offset, width, old_value, value));
  const std::uint32_t new_value = config_.get(offset, width);
  if (config_written_.active()) {
    const Sbdf address{bus_ == nullptr ? std::uint32_t{0} : bus_->segment(), addressed_as};
    config_written_.publish({*this, address, offset, width, old_value, value, new_value});
  }
  // Enabling starts with an empty device-TLB [PCIe 10.5.1.3].
  if (translation_services_enabled() != had_services) device_tlb_->clear();
  on_config_write(offset, width, old_value, new_value);
  on_written(offset, width, value);
  // Leaving D3hot without No_Soft_Reset is a reset of the function [PCI PM 5.4.1].
  const bool woken =
      old_state == 3 && power_state() == 0 && (config_.get(plus(pm_, 4), 2) & kNoSoftReset) == 0;
  if (flr || woken) reset(ResetKind::kFunctionLevel);
  if (sriov_ != nullptr) sriov_->look();
  if (root_errors_ != nullptr) root_errors_->look();
  send_unmasked();
}

bool Function::starts_reset(std::uint16_t offset, unsigned width, std::uint32_t value) const {
  if (config_.is_bridge()) return false;  // for endpoints only; the capability bit means nothing
  const std::uint16_t express = config_.find(CapabilityId::kExpress);
  if (express != 0 && express + 0x0C <= config_.size() &&
      (config_.get(plus(express, 4), 4) & kFlrCapable) != 0 &&
      (written_part(offset, width, value, plus(express, 8), 2, 0) & kInitiateFlr) != 0) {
    return true;
  }
  const std::uint16_t af = config_.find(CapabilityId::kAdvancedFeatures);
  return af != 0 && af + 6 <= config_.size() && (config_.get(plus(af, 3), 1) & 2) != 0 &&
         (written_part(offset, width, value, plus(af, 4), 1, 0) & 1) != 0;
}

// A write of a power state that the function lacks is ignored [PCIe 7.5.2.2].
std::uint32_t Function::allowed_power_state(std::uint16_t offset, unsigned width,
                                            std::uint32_t old_value, std::uint32_t value) const {
  if (pm_ == 0 || offset > pm_ + 4 || offset + width <= pm_ + 4U) return value;
  const unsigned shift = 8 * (pm_ + 4U - offset);
  const unsigned state = value >> shift & 3;
  const std::uint32_t capabilities = config_.get(plus(pm_, 2), 2);
  const bool supported = state == 0 || state == 3 || (capabilities & (1U << (8 + state))) != 0;
  if (supported) return value;
  return (value & ~(3U << shift)) | (old_value & (3U << shift));
}

unsigned Function::power_state() const { return pm_ == 0 ? 0 : config_.get(plus(pm_, 4), 2) & 3; }

bool Function::memory_enabled() const {
  if (home_ != nullptr) return home_->memory_enabled() && power_state() == 0;
  return (config_.get(kCommand, 2) & kMemorySpace) != 0 && power_state() == 0;
}

bool Function::bus_master() const {
  return (config_.get(kCommand, 2) & kBusMaster) != 0 && power_state() == 0;
}

Claims Function::claims() const {
  Claims claims;
  if (!memory_enabled()) return claims;
  if (home_ != nullptr) {
    for (unsigned bar = 0; bar < 6; ++bar) {
      const auto range = home_->range(index_, bar);
      if (range) claims.add({range->first, range->first + (range->size - 1), bar});
    }
    return claims;
  }
  for (unsigned index = 0; index < 6; ++index) {
    const Bar& bar = config_.bar(index);
    if (bar.kind != BarKind::kMemory32 && bar.kind != BarKind::kMemory64) continue;
    if (bar.size == 0) continue;
    const std::uint64_t base = config_.bar_address(index);
    const std::uint64_t room = ~base;  // an address does not wrap
    claims.add({base, base + std::min(room, bar.size - 1), index});
  }
  return claims;
}

std::optional<BarHit> Function::decode(std::uint64_t address) const {
  for (const Claim& claim : claims()) {
    if (!claim.is_window() && claim.contains(address)) {
      return BarHit{claim.id, address - claim.first};
    }
  }
  return std::nullopt;
}

void Function::routing_changed(Routing what) {
  if (bus_ != nullptr) bus_->routing_changed(*this, what);
}

void Function::bar_read(BarHit hit, std::span<std::byte> to) {
  if (msix_ != nullptr && msix_->read(hit.bar, hit.offset, to)) return;
  memory_read(hit, to);
}

void Function::bar_write(BarHit hit, std::span<const std::byte> from) {
  if (msix_ != nullptr && msix_->write(hit.bar, hit.offset, from)) {
    send_unmasked();
    return;
  }
  memory_write(hit, from);
}

void Function::memory_read(BarHit, std::span<std::byte> to) { std::ranges::fill(to, std::byte{0}); }

void Function::memory_write(BarHit, std::span<const std::byte>) {}

void Function::on_config_write(std::uint16_t, unsigned, std::uint32_t, std::uint32_t) {}

void Function::on_written(std::uint16_t, unsigned, std::uint32_t) {}

void Function::on_reset(ResetKind) {}

bool Function::contains(const LoggedError&) { return false; }

void Function::reset(ResetKind kind) {
  config_.reset(kind);
  if (msix_ != nullptr) msix_->reset();
  if (device_tlb_ != nullptr) device_tlb_->clear();
  if (kind != ResetKind::kFunctionLevel) {
    captured_bus_ = 0;
    captured_device_ = 0;
  }
  if (function_reset_.active()) function_reset_.publish({*this, kind});
  on_reset(kind);
  if (sriov_ != nullptr) sriov_->look();
  if (root_errors_ != nullptr) root_errors_->look();
}

bool Function::signal_msix(unsigned index) {
  if (interrupt_raised_.active()) interrupt_raised_.publish({*this, index});
  if (msix_ == nullptr || !msix_->enabled(config_)) {
    if (interrupt_held_.active()) interrupt_held_.publish({*this, index});
    return false;
  }
  if (const auto message = msix_->signal(config_, index)) {
    send_interrupt(message->address, message->data);
  } else {
    auto& topic = simulation_.topic<InterruptPending>();
    if (topic.active()) topic.publish({*this, index});
  }
  return true;
}

// The number comes from a register, which a recording may have made up.
bool Function::signal_message(unsigned index) {
  if (msix_ != nullptr && msix_->enabled(config_)) {
    return index < msix_->vectors() && signal_msix(index);
  }
  if (!msi_ || !msi_->enabled(config_)) return false;
  if (const auto message = msi_->signal(config_, index)) {
    send_interrupt(message->address, message->data);
  }
  return true;
}

void Function::send_unmasked() {
  if (msix_ != nullptr) {
    while (const auto vector = msix_->take_unmasked(config_)) {
      auto& topic = simulation_.topic<InterruptUnmasked>();
      if (topic.active()) topic.publish({*this, *vector});
      const Msix::Message message = msix_->message(*vector);
      send_interrupt(message.address, message.data);
    }
  }
  if (!msi_) return;
  while (const auto message = msi_->take_unmasked(config_)) {
    send_interrupt(message->address, message->data);
  }
}

void Function::send_interrupt(std::uint64_t address, std::uint32_t data) {
  if (bus_ == nullptr) return;
  write(address, std::bit_cast<std::array<std::byte, 4>>(data), {}, Services::kNone);
}

std::unique_ptr<Function> Function::make_virtual_function(unsigned index) {
  return std::make_unique<Function>(simulation_, fmt::format("{}-vf{}", name_, index + 1),
                                    ConfigSpace::virtual_function(config_));
}

std::uint32_t Function::device_control() const {
  return express_ == 0 ? 0 : config_.get(plus(express_, 8), 2);
}

bool Function::detect(Uncorrectable error, const ErrorCase& about, Reporting reporting) {
  const LoggedError logged = log_error(config_, express_, aer_, error, about);
  auto& topic = simulation_.topic<ErrorDetected>();
  if (topic.active()) topic.publish({*this, error, logged, about.request});
  if (!logged.masked && contains(logged)) return false;
  if (!logged.message || reporting == Reporting::kLogOnly) return false;
  send_error_message(*this, *logged.message);
  return true;
}

}  // namespace baton::pci
