// One factory per invariant; the checkers themselves are private to their files.
#pragma once

#include <memory>

namespace baton::harness {

class Checker;
class Watch;

std::unique_ptr<Checker> make_dma_continuity(Watch& watch);
std::unique_ptr<Checker> make_dma_integrity(Watch& watch);
std::unique_ptr<Checker> make_isolation(Watch& watch);
std::unique_ptr<Checker> make_memory_not_reused(Watch& watch);
std::unique_ptr<Checker> make_translation_equal(Watch& watch);
std::unique_ptr<Checker> make_session_complete(Watch& watch);
std::unique_ptr<Checker> make_bus_master_path(Watch& watch);
std::unique_ptr<Checker> make_requester_id_stable(Watch& watch);
std::unique_ptr<Checker> make_bars_stable(Watch& watch);
std::unique_ptr<Checker> make_windows_stable(Watch& watch);
std::unique_ptr<Checker> make_config_writes(Watch& watch);
std::unique_ptr<Checker> make_no_reset(Watch& watch);
std::unique_ptr<Checker> make_domain_id_unique(Watch& watch);
std::unique_ptr<Checker> make_memory_not_leaked(Watch& watch);
std::unique_ptr<Checker> make_ownership(Watch& watch);
std::unique_ptr<Checker> make_fault_log_clean(Watch& watch);
std::unique_ptr<Checker> make_pause_budget(Watch& watch);
std::unique_ptr<Checker> make_irq_accounted(Watch& watch);
std::unique_ptr<Checker> make_irq_no_orphan(Watch& watch);
std::unique_ptr<Checker> make_device_key(Watch& watch);
std::unique_ptr<Checker> make_mmio_answered(Watch& watch);
std::unique_ptr<Checker> make_scratch_clear(Watch& watch);
std::unique_ptr<Checker> make_preserved_exactly(Watch& watch);
std::unique_ptr<Checker> make_process_calls(Watch& watch);
std::unique_ptr<Checker> make_file_callbacks(Watch& watch);
std::unique_ptr<Checker> make_file_held_once(Watch& watch);
std::unique_ptr<Checker> make_flb_order(Watch& watch);
std::unique_ptr<Checker> make_handover_record(Watch& watch);
std::unique_ptr<Checker> make_sessions_sealed(Watch& watch);
std::unique_ptr<Checker> make_abi_refused(Watch& watch);
std::unique_ptr<Checker> make_freeze_stops(Watch& watch);
std::unique_ptr<Checker> make_records_true(Watch& watch);

}  // namespace baton::harness
