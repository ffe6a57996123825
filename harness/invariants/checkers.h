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

}  // namespace baton::harness
