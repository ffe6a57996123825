// Who is to blame: which configuration writes since the freeze have left the way of a request other
// than it was. A violation of a request names them, beside the request itself.
//
// Of each function the registers are kept that software changed, as they were at the first change,
// with the last kernel function that wrote them. Registers that hardware changes (error history)
// are no cause and are left out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/invariants/violation.h"
#include "model/pci/observations.h"

namespace baton::harness {

class ConfigBlame {
 public:
  // Nothing is changed from here on.
  void clear() { changes_.clear(); }

  void on_written(const pci::ConfigWritten& seen, ChainLink written);
  void on_reset(const pci::FunctionReset& seen, ChainLink reset);
  // A register of the device itself was written that stops its work.
  void on_command(const pci::Function& function, ChainLink command);

  // What is different now at the function itself and at every bridge above it, oldest first; when
  // nothing is, the last change that was taken back.
  void explain(const pci::Function& function, std::vector<ChainLink>& into) const;

 private:
  struct Change {
    std::uint32_t before = 0;
    std::uint32_t now = 0;
    ChainLink link;
  };
  struct Changes {
    std::map<std::uint16_t, Change> registers;  // by dword
    std::optional<ChainLink> last;              // that changed something
    std::optional<ChainLink> reset;
    std::optional<ChainLink> command;  // the first
  };

  void collect(const pci::Function& function, std::vector<ChainLink>& into) const;

  std::map<const pci::Function*, Changes> changes_;  // looked up only; never iterated
};

}  // namespace baton::harness
