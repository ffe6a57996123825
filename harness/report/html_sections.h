// The sections of a run's page, each as markup. All are made of RunResult alone.
#pragma once

#include <cstddef>
#include <string>

#include "harness/report/run_result.h"

namespace baton::harness {

// Verdict, title, token, parameters, headline measurements.
std::string html_head(const RunResult& result, const std::string& id, bool only);
// The course of the run as a figure, and the strip of phases.
std::string html_story(const RunResult& result, const std::string& id);
// Each expectation that was missed, then violations that were asked for.
std::string html_failures(const RunResult& result, const std::string& id);
// What each guest's pause is made of.
std::string html_pauses(const RunResult& result, const std::string& id);
std::string html_ledger(const RunResult& result, const std::string& id);
std::string html_topology(const RunResult& result, const std::string& id);
std::string html_config_writes(const RunResult& result, const std::string& id);
// Measurements, invariants, expectations, guests, standings.
std::string html_judgement(const RunResult& result, const std::string& id);
// The table of events; as many of the last ones as fit into `budget` bytes.
std::string html_events(const RunResult& result, const std::string& id, std::size_t budget);

// "k0" .. "k3", or "gap" where no kernel runs: the colour of a phase.
std::string phase_style(const PhaseRow& row);

}  // namespace baton::harness
