// What kind of remapping unit it is: capability registers, address width, capacities of its caches,
// readings of the specification where revisions or implementations differ, latencies.
//
// The capability registers decide what the model does: a feature whose capability bit is 0 behaves
// as hardware without it.
//
// The default is Sapphire Rapids. Older parts have names of their own; profiles.h lists them.
//
// Not modelled, and therefore 0 in every profile of ours: page requests (PRS; the unit has them,
// no profile offers them), advanced fault log (AFL), memory types (MTS), throttled invalidation of
// device-TLBs (DIT), enhanced commands (ECMDS). Interrupt posting (PI) is modelled; parts of ours
// that have it are made with_posted_interrupts() where a machine asks for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sim/time.h"

namespace baton::iommu_vtd {

// [derived from published measurements of PCIe and IOMMU latency; every value is assumed]
struct UnitTiming {
  sim::Duration iotlb_hit = sim::Duration::nanoseconds(10);
  sim::Duration context_hit = sim::Duration::nanoseconds(5);
  sim::Duration interrupt_entry_hit = sim::Duration::nanoseconds(5);
  // Posting: the locked update of a descriptor; and until its notification leaves.
  sim::Duration posted_update = sim::Duration::nanoseconds(120);
  sim::Duration posted_notification = sim::Duration::nanoseconds(200);
  sim::Duration table_read = sim::Duration::nanoseconds(100);  // one structure from DRAM
  // A function on the way between an invalidation and its answer.
  sim::Duration device_tlb_drain = sim::Duration::nanoseconds(300);
  // After this no answer is expected any more [PCIe 10.3.1: 60 s, with a tolerance of 50 %].
  sim::Duration device_tlb_timeout = sim::Duration::seconds(90);
};

// What leaves a cache of the unit. Exact: what was invalidated, and nothing else ever, so that a
// missing invalidation always shows. Hardware: also the least recently used entry when there is no
// room, with the sizes of the profile [VT-d 6.2: hardware may drop anything].
enum class Caches : std::uint8_t { kExact, kHardware };

// One way in which a unit breaks the specification. No part of ours does any of it: a test that
// claims to compare units with the specification is run against each of these and has to fail.
enum class Erratum : std::uint8_t {
  kNone,
  // An invalidation that leaves what it should drop.
  kContextsOfDomainStay,
  kContextOfDeviceStays,
  kContextFunctionMaskIgnored,
  kPasidsOfDomainStay,
  kPasidEntryStays,
  kGlobalKeepsTranslations,
  kGlobalKeepsFirstStagePaging,
  kGlobalKeepsSecondStagePaging,
  kDomainKeepsTranslations,
  kDomainKeepsNested,
  kDomainKeepsPaging,
  kPagesKeepTranslations,
  kPagesKeepSuperpages,
  kPagesKeepNested,
  kPagesKeepPaging,
  kPasidKeepsFirstStage,
  kPasidKeepsNested,
  kPasidKeepsPaging,
  kPasidPagesKeepTranslations,
  kPasidPagesKeepPaging,
  kRemapEntryStays,
  kRemapEntriesStay,
  kDeviceTlbPagesStay,
  kDeviceTlbPasidStays,
  // A look-up that takes what it must not.
  kIotlbIgnoresDomain,
  kIotlbIgnoresPasid,
  kIotlbIgnoresRights,
  kCount,
};

struct Profile {
  std::string_view name = "sapphire-rapids";

  // Sapphire Rapids: version 6.0, one fault record at 400h, IOTLB registers at 500h, 57-bit guest
  // addresses, 4- and 5-level tables, 2 MiB and 1 GiB pages, 16-bit domain ids, protected memory
  // registers; both table modes, PASIDs of 20 bits, first stage with 4 and 5 levels, nesting,
  // accessed and dirty bits, device-TLBs [boot logs of that machine: CAP 19ED008C40780C66, ECAP
  // 0003EE9E86F050DF]. Without PI (see above) and what is not modelled (MTS, DIT, PDS); PASID, off
  // on the logged machine by choice of its firmware, is on.
  std::uint32_t version = 0x60;
  std::uint64_t cap = 0x11ED008C40780C66;
  std::uint64_t ecap = 0x0003E99E84F050DF;

  // Physical address bits, as the DMAR table tells software. Assumed: 52.
  unsigned host_address_width = 52;

  // Whether caches lose entries by capacity.
  Caches caches = Caches::kExact;
  // Entries with Caches::kHardware. 0: nothing is cached, of either kind. [VT-d 6.2: implementation
  // defined; assumed]
  std::size_t context_cache_entries = 256;
  std::size_t iotlb_entries = 2048;
  std::size_t interrupt_cache_entries = 256;
  std::size_t pasid_cache_entries = 128;
  // For each stage. 0: every miss of the IOTLB reads every level.
  std::size_t paging_cache_entries = 64;

  // Second-stage entries, bit 62. Up to specification 3.1: TM, allowed when ECAP.DT=1. Since 3.2:
  // reserved. True selects the old rule.
  bool transient_mapping_bit = false;

  // A fault is not recorded while an unread record of the same requester exists [VT-d 7.2.1: may].
  bool collapse_faults_of_requester = true;

  // RID_PASID is honoured although ECAP.RPS=0, as one measured unit does.
  bool rid_pasid_without_rps = false;

  UnitTiming timing;

  Erratum erratum = Erratum::kNone;
  bool has(Erratum what) const { return erratum == what; }

  std::size_t capacity(std::size_t entries) const {
    return entries != 0 && caches == Caches::kExact ? kUnbounded : entries;
  }
  static constexpr std::size_t kUnbounded = ~std::size_t{0};

  // CAP
  unsigned domain_id_bits() const { return 4 + 2 * bits(cap, 2, 0); }
  bool requires_write_buffer_flush() const { return bit(cap, 4); }
  bool protected_low() const { return bit(cap, 5); }
  bool protected_high() const { return bit(cap, 6); }
  // AW encodings of a context entry: 1 is 3 levels, 2 is 4, 3 is 5.
  bool supports_address_width(unsigned aw) const { return aw >= 1 && aw <= 3 && bit(cap, 8 + aw); }
  unsigned largest_address_width() const { return bit(cap, 11) ? 3 : bit(cap, 10) ? 2 : 1; }
  unsigned guest_address_bits() const { return bits(cap, 21, 16) + 1; }
  bool zero_length_read() const { return bit(cap, 22); }
  std::uint64_t fault_record_offset() const { return std::uint64_t{bits(cap, 33, 24)} * 16; }
  bool superpage(unsigned level) const {  // level 1: 2 MiB, level 2: 1 GiB
    return (level == 1 && bit(cap, 34)) || (level == 2 && bit(cap, 35));
  }
  bool page_selective() const { return bit(cap, 39); }
  unsigned fault_records() const { return bits(cap, 47, 40) + 1; }
  unsigned largest_address_mask() const { return bits(cap, 53, 48); }
  bool drains_writes() const { return bit(cap, 54); }
  bool drains_reads() const { return bit(cap, 55); }
  bool first_stage_1gib() const { return bit(cap, 56); }
  bool posted_interrupts() const { return bit(cap, 59); }
  bool first_stage_5_level() const { return bit(cap, 60); }
  bool sirtp_flushes() const { return bit(cap, 62); }
  bool srtp_flushes() const { return bit(cap, 63); }

  // ECAP
  bool queued_invalidation() const { return bit(ecap, 1); }
  bool device_tlb() const { return bit(ecap, 2); }
  bool interrupt_remapping() const { return bit(ecap, 3); }
  bool extended_interrupt_mode() const { return bit(ecap, 4); }
  bool pass_through() const { return bit(ecap, 6); }
  bool snoop_control() const { return bit(ecap, 7); }
  std::uint64_t iotlb_offset() const { return std::uint64_t{bits(ecap, 17, 8)} * 16; }

  bool nested() const { return bit(ecap, 26); }
  bool page_requests() const { return bit(ecap, 29); }
  bool execute_requests() const { return bit(ecap, 30); }
  bool supervisor_requests() const { return bit(ecap, 31); }
  bool pasid() const { return bit(ecap, 40); }
  bool page_request_drain() const { return bit(ecap, 42); }
  bool scalable_mode() const { return bit(ecap, 43); }
  bool second_stage_accessed_dirty() const { return bit(ecap, 45); }
  bool second_stage() const { return bit(ecap, 46); }  // in scalable mode
  bool first_stage() const { return bit(ecap, 47); }
  bool walk_coherency() const { return bit(ecap, 48); }
  bool rid_pasid() const { return bit(ecap, 49) || rid_pasid_without_rps; }
  bool abort_mode() const { return bit(ecap, 52); }
  bool rid_privilege() const { return bit(ecap, 53); }

  static constexpr bool bit(std::uint64_t value, unsigned n) { return (value >> n & 1) != 0; }
  static constexpr unsigned bits(std::uint64_t value, unsigned high, unsigned low) {
    return static_cast<unsigned>(value >> low & ((std::uint64_t{2} << (high - low)) - 1));
  }
};

}  // namespace baton::iommu_vtd
