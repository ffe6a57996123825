// Watches a run and makes its trace, for ui.perfetto.dev and trace_processor: groups of tracks for
// the handover, guests, invariants, each kernel, devices, remapping units and interrupts.
//
// Not in a trace: single memory requests that succeed (their bytes are in the rates), configuration
// reads, the kernels' log.
#pragma once

#include <memory>
#include <string>

#include "harness/record/observer.h"
#include "harness/trace/trace_block.h"

namespace baton::harness {

class TraceObserver final : public RunObserver {
 public:
  // Without a sink, the trace is kept until somebody asks for its bytes.
  explicit TraceObserver(TraceSink sink = {});
  ~TraceObserver() override;

  void attach(Watch& watch, const Scenario& scenario) override;
  void finish() override;

  // The finished trace, Perfetto's protobuf; empty if there is a sink.
  const std::string& bytes() const { return bytes_; }

 private:
  struct Tracks;

  TraceSink sink_;
  std::unique_ptr<Tracks> tracks_;
  std::string bytes_;
};

}  // namespace baton::harness
