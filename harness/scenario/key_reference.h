// The key table for readers outside: a JSON Schema for editors, a page for people.
#pragma once

#include <string>

namespace baton::harness {

// JSON Schema, draft-07 (what editors' YAML servers support), of a scenario.
std::string scenario_schema();
// docs/scenario.md: every key with its type, default, range, choices and an example.
std::string scenario_reference();

}  // namespace baton::harness
