// The architectural transitions of a run, one typed row each: boot steps, phases, configuration
// writes, sessions and files, IOMMU switches and faults, resets, interrupts, descriptors, guests.
// What `run -vv`, `replay` and the HTML report print.
//
// Left out on purpose: configuration reads, requests that arrive, descriptors inside a batch that
// succeed (the batch's own row stands for them), pages one by one (the ledger has them).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/record/observer.h"

namespace baton::harness {

// What happened, as one character of its column.
enum class Glyph : std::uint8_t {
  kPhase,
  kBootStep,
  kOperator,
  kSession,
  kFile,
  kLedger,
  kError,
  kConfigChanged,
  kConfigSame,
  kReset,
  kTranslation,
  kFault,
  kRefused,
  kSubmitted,
  kDone,
  kBadDone,
  kInterrupt,
  kLostInterrupt,
  kGuestStart,
  kGuestPause,
  kGuestResume,
  kGuestStop,
  kJump,
  kPanic,
};

struct GlyphRow {
  Glyph glyph;
  char sign;
  std::string_view name;  // for machines: "config-write"
  std::string_view text;
};

std::span<const GlyphRow> glyph_rows();
const GlyphRow& row_of(Glyph glyph);

struct Transition {
  std::uint64_t event = 0;  // events of the run until then, as the fingerprint counts them
  sim::Time time;
  std::optional<unsigned> generation;  // of the kernel that runs; none between two kernels
  std::string phase;                   // boot, run, preserve, freeze, kexec, retrieve, finish
  std::size_t lane = 0;                // index into TransitionLog::lanes
  std::string device;                  // "dsa0", "0000:00:1c.0", "dmar0"; empty for software
  Glyph glyph = Glyph::kPhase;
  std::string text;
};

// The rows and the lanes they stand in: software, iommu, one per device of a VM, all other devices.
struct TransitionLog {
  std::vector<std::string> lanes;
  std::deque<Transition> rows;
  std::uint64_t dropped = 0;  // older rows that were let go
};

class Transitions final : public RunObserver {
 public:
  // Keeps the last `keep` rows.
  explicit Transitions(std::size_t keep) : keep_(keep) {}

  void attach(Watch& watch, const Scenario& scenario) override;
  const TransitionLog& log() const { return log_; }
  TransitionLog take() { return std::move(log_); }
  // Where the run stands.
  const std::string& phase() const { return phase_; }
  std::optional<unsigned> generation() const { return generation_; }

 private:
  static constexpr std::size_t kSoftware = 0;
  static constexpr std::size_t kIommu = 1;

  void add(std::size_t lane, std::string device, Glyph glyph, std::string text);
  void software(Glyph glyph, std::string text) { add(kSoftware, "", glyph, std::move(text)); }
  void about(const pci::Function& function, Glyph glyph, std::string text);
  std::size_t lane_of(std::string_view device) const;
  std::string name_at(Sbdf address) const;

  void subscribe_to_kernels();
  void subscribe_to_live_update();
  void subscribe_to_functions();
  void subscribe_to_iommu();
  void subscribe_to_dsa();
  void subscribe_to_guests();

  std::size_t keep_;
  Watch* watch_ = nullptr;
  TransitionLog log_;
  std::string phase_ = "firmware";
  std::optional<unsigned> generation_;
};

}  // namespace baton::harness
