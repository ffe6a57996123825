// Pieces of work on several threads: which thread takes which piece is left to chance, so a piece
// says nothing that depends on it.
#pragma once

#include <cstdint>
#include <functional>

namespace baton::harness {

// Calls work(0) to work(count - 1), each once, from up to `jobs` threads. `waiting` is called on
// this thread now and then. False when `interrupted` ended it early; an exception of a piece ends
// it too and comes out here.
bool run_workers(unsigned jobs, std::uint64_t count, const std::function<bool()>& interrupted,
                 const std::function<void(std::uint64_t)>& work,
                 const std::function<void()>& waiting = {});

}  // namespace baton::harness
