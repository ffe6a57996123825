// XXH3 by the widest instructions that the host has, with the same results: a third of the
// instructions of the portable one, which were an eighth of those of an event
// (docs/performance.md).
#pragma once

#include <xxhash.h>

#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#endif
