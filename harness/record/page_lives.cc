#include "harness/record/page_lives.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace baton::harness {
namespace {

std::uint64_t end_page(sim::PhysRange range) {
  return (range.start.value() + range.length + sim::kPageSize - 1) / sim::kPageSize;
}

}  // namespace

std::string_view name(Deed deed) {
  constexpr std::array<std::string_view, 8> kNames{"created",    "preserved",  "unpreserved",
                                                   "restored",   "finished",   "freed",
                                                   "given away", "overwritten"};
  return kNames.at(static_cast<std::size_t>(deed));
}

std::size_t PageLives::root(const std::string& what, std::uint64_t id) {
  const auto [found, fresh] = root_of_.try_emplace({what, id}, roots_.size());
  if (fresh) roots_.push_back({what, id});
  return found->second;
}

int PageLives::child(int parent, std::size_t root, Deed deed, unsigned generation, sim::Time now) {
  if (parent != kNone) {
    LedgerStep& last = nodes_[index(parent)].step;
    if (last.deed == deed && last.generation == generation) return parent;
  }
  const auto [found, fresh] = children_.try_emplace(std::tuple(parent, root, deed, generation),
                                                    static_cast<int>(nodes_.size()));
  if (!fresh) {
    nodes_[index(found->second)].step.to = now;
    return found->second;
  }
  Node node;
  node.parent = parent;
  node.root = root;
  node.step = {deed, generation, now, now};
  node.ever_preserved =
      deed == Deed::kPreserved || (parent != kNone && nodes_[index(parent)].ever_preserved);
  nodes_.push_back(node);
  return found->second;
}

void PageLives::close(std::uint64_t first, std::uint64_t end, int node) {
  const sim::PhysRange pages{PhysAddr(first * sim::kPageSize), (end - first) * sim::kPageSize};
  if (!closed_.empty() && closed_.back().node == node &&
      closed_.back().pages.end() == pages.start) {
    closed_.back().pages.length += pages.length;
    return;
  }
  closed_.push_back({pages, node});
}

void PageLives::split(std::uint64_t page) {
  auto at = spans_.upper_bound(page);
  if (at == spans_.begin()) return;
  --at;
  if (at->first == page || at->second.end <= page) return;
  const Span right{at->second.end, at->second.node};
  at->second.end = page;
  spans_.emplace_hint(std::next(at), page, right);
}

// Inserts a stretch and joins it with its neighbours.
void PageLives::put(Spans& spans, std::uint64_t first, std::uint64_t end, int node) {
  const auto after = spans.lower_bound(first);
  if (after != spans.end() && after->first == end && after->second.node == node) {
    end = after->second.end;
    const auto next = spans.erase(after);
    if (next != spans.begin()) {
      Span& before = std::prev(next)->second;
      if (before.end == first && before.node == node) {
        before.end = end;
        return;
      }
    }
    spans.emplace_hint(next, first, Span{end, node});
    return;
  }
  if (after != spans.begin()) {
    Span& before = std::prev(after)->second;
    if (before.end == first && before.node == node) {
      before.end = end;
      return;
    }
  }
  spans.emplace_hint(after, first, Span{end, node});
}

template <class Next>
void PageLives::update(sim::PhysRange range, Next&& next) {
  const std::uint64_t end = end_page(range);
  std::uint64_t page = range.start.page_number();
  split(page);
  split(end);
  while (page < end) {
    const auto at = spans_.lower_bound(page);
    int old = kNone;
    std::uint64_t piece_end = end;
    if (at != spans_.end() && at->first < end) {
      if (at->first == page) {
        old = at->second.node;
        piece_end = at->second.end;
        spans_.erase(at);
      } else {
        piece_end = at->first;
      }
    }
    const int node = next(page, piece_end, old);
    if (node != kNone) put(spans_, page, piece_end, node);
    page = piece_end;
  }
}

void PageLives::create(sim::PhysRange range, const std::string& what, std::uint64_t id,
                       unsigned generation, sim::Time now) {
  const std::size_t fresh = root(what, id);
  update(range, [&](std::uint64_t first, std::uint64_t end, int old) {
    if (old != kNone) {
      const Node& node = nodes_[index(old)];
      // Some memory is preserved as it is allocated, and then named.
      const bool named = node.step.deed == Deed::kPreserved && node.step.generation == generation &&
                         roots_[node.root].what == what;
      if (named) return old;
      if (node.ever_preserved) close(first, end, old);
    }
    return child(kNone, fresh, Deed::kCreated, generation, now);
  });
}

void PageLives::happens(sim::PhysRange range, Deed deed, const std::string& what,
                        unsigned generation, sim::Time now) {
  update(range, [&](std::uint64_t, std::uint64_t, int old) {
    if (old == kNone) return child(kNone, root(what, 0), deed, generation, now);
    return follow(old, deed, generation, now);
  });
}

void PageLives::freed(sim::PhysRange range, unsigned generation, sim::Time now) {
  update(range, [&](std::uint64_t first, std::uint64_t end, int old) {
    if (old != kNone && nodes_[index(old)].ever_preserved) {
      close(first, end, follow(old, Deed::kFreed, generation, now));
    }
    return kNone;
  });
}

int PageLives::after_given(int node, unsigned generation, sim::Time now) {
  const LedgerStep& last = nodes_[index(node)].step;
  if (last.generation >= generation || last.deed == Deed::kGivenAway ||
      last.deed == Deed::kOverwritten) {
    return node;
  }
  // What it was preserved for is the next kernel; a later one owes it nothing.
  const bool promised = last.deed == Deed::kPreserved && last.generation + 1 == generation;
  const Deed deed = promised ? Deed::kGivenAway : Deed::kOverwritten;
  return follow(node, deed, generation, now);
}

void PageLives::given(sim::PhysRange range, unsigned generation, sim::Time now) {
  update(range, [&](std::uint64_t, std::uint64_t, int old) {
    return old == kNone ? kNone : after_given(old, generation, now);
  });
}

void PageLives::reset(unsigned generation, sim::Time now) {
  for (const auto& [first, span] : spans_) {
    if (!nodes_[index(span.node)].ever_preserved) continue;
    close(first, span.end, follow(span.node, Deed::kOverwritten, generation, now));
  }
  spans_.clear();
}

std::vector<PageLives::Run> PageLives::runs() const {
  std::vector<Run> result = closed_;
  std::ranges::stable_sort(result, {}, [](const Run& run) { return run.pages.start; });
  for (const auto& [first, span] : spans_) {
    result.push_back(
        {{PhysAddr(first * sim::kPageSize), (span.end - first) * sim::kPageSize}, span.node});
  }
  return result;
}

std::vector<LedgerStep> PageLives::steps(int node) const {
  std::vector<LedgerStep> result;
  for (; node != kNone; node = nodes_[index(node)].parent) {
    result.push_back(nodes_[index(node)].step);
  }
  std::ranges::reverse(result);
  return result;
}

}  // namespace baton::harness
