// The lives of pages, kept as runs: neighbours with one history are one entry, however many they
// are. Part of the ledger.
//
// A history is a node of a tree: what was done last, by which kernel, and a link to what came
// before. Pages of one object that are preserved one by one share their nodes, so the book stays
// small for guests of any size.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "sim/memory.h"
#include "sim/time.h"

namespace baton::harness {

// What can happen to an object; the order has no meaning.
enum class Deed : std::uint8_t {
  kCreated,
  kPreserved,
  kUnpreserved,
  kRestored,
  kFinished,
  kFreed,
  kGivenAway,    // to the page allocator, or handed out, by the kernel it was preserved for
  kOverwritten,  // not preserved when its kernel ended; or later than that
};
std::string_view name(Deed deed);  // "created", "given away", ...

struct LedgerStep {
  Deed deed = Deed::kCreated;
  unsigned generation = 0;  // of the kernel that did it
  sim::Time from;           // the first page's instant
  sim::Time to;             // the last one's
};

class PageLives {
 public:
  static constexpr int kNone = -1;

  struct Run {
    sim::PhysRange pages;
    int node = kNone;
  };

  // A new object: what lay there before is closed.
  void create(sim::PhysRange range, const std::string& what, std::uint64_t id, unsigned generation,
              sim::Time now);
  // Pages that nobody has seen yet become an object named `what`.
  void happens(sim::PhysRange range, Deed deed, const std::string& what, unsigned generation,
               sim::Time now);
  void freed(sim::PhysRange range, unsigned generation, sim::Time now);
  // Handed out, or given to the page allocator, by this generation.
  void given(sim::PhysRange range, unsigned generation, sim::Time now);
  // The platform was reset: everything is gone.
  void reset(unsigned generation, sim::Time now);

  // Closed objects first, then those that are; each sorted by address.
  std::vector<Run> runs() const;
  const std::string& what(int node) const { return roots_[nodes_[index(node)].root].what; }
  std::uint64_t id(int node) const { return roots_[nodes_[index(node)].root].id; }
  std::vector<LedgerStep> steps(int node) const;  // oldest first

 private:
  struct Node {
    int parent = kNone;
    std::size_t root = 0;
    LedgerStep step;
    bool ever_preserved = false;
  };
  struct Root {
    std::string what;
    std::uint64_t id = 0;
  };
  struct Span {
    std::uint64_t end = 0;  // one past the last page
    int node = kNone;
  };
  using Spans = std::map<std::uint64_t, Span>;  // by first page

  static std::size_t index(int node) { return static_cast<std::size_t>(node); }
  std::size_t root(const std::string& what, std::uint64_t id);
  int child(int parent, std::size_t root, Deed deed, unsigned generation, sim::Time now);
  int follow(int parent, Deed deed, unsigned generation, sim::Time now) {
    return child(parent, nodes_[index(parent)].root, deed, generation, now);
  }
  int after_given(int node, unsigned generation, sim::Time now);
  void close(std::uint64_t first, std::uint64_t end, int node);

  void split(std::uint64_t page);
  static void put(Spans& spans, std::uint64_t first, std::uint64_t end, int node);
  // Replaces the node of every stretch of the range by next(first, end, node); kNone removes it.
  template <class Next>
  void update(sim::PhysRange range, Next&& next);

  Spans spans_;
  std::vector<Run> closed_;
  std::vector<Node> nodes_;
  std::vector<Root> roots_;
  std::map<std::pair<std::string, std::uint64_t>, std::size_t> root_of_;
  std::map<std::tuple<int, std::size_t, Deed, unsigned>, int> children_;
};

}  // namespace baton::harness
