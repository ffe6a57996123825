#include "model/vmm/script_processes.h"

#include <fmt/format.h>

#include "model/vmm/script_values.h"

namespace baton::vmm {

namespace {

std::string expected_of(const ScriptCall& call) {
  if (call.blocks) return "does not return";
  if (call.fails) return fmt::format("fails with {}", linux::name(*call.fails));
  if (call.returns) return fmt::format("returns {}", *call.returns);
  return "succeeds";
}

}  // namespace

ScriptProcesses::ScriptProcesses(Environment& environment, const UserConfig& config)
    : environment_(environment), config_(config) {}

void ScriptProcesses::start() {
  for (const ScriptProcess& script : config_.processes) {
    if (script.kernel == environment_.generation()) {
      environment_.spawn(run(script));
    }
  }
}

RunningProcess* ScriptProcesses::find(std::string_view name) {
  for (const auto& running : running_) {
    if (running->name == name) return running.get();
  }
  return nullptr;
}

void ScriptProcesses::say(const RunningProcess& process, std::string_view state) {
  environment_.publish(ScriptProcessChanged{environment_.generation(), process.name, state});
}

Co<> ScriptProcesses::run(const ScriptProcess& script) {
  running_.push_back(std::make_unique<RunningProcess>(environment_.kernel(), script.name));
  RunningProcess& process = *running_.back();
  if (script.at > sim::Duration()) {
    co_await process.calls.sleep(script.at);
  }
  co_await run_calls(process, script.calls);
}

Co<> ScriptProcesses::run_calls(RunningProcess& process, const std::vector<ScriptCall>& calls) {
  say(process, "started");
  bool right = true;
  for (const ScriptCall& call : calls) {
    for (unsigned index = 0; index < call.repeat && right && !process.killed; ++index) {
      right = co_await make(process, call, index);
    }
  }
  say(process, process.killed ? "killed" : right ? "ended" : "gave up");
  process.leaving = true;
  co_await process.process.exit();
  process.ended = true;
  process.ending.wake_all();
}

// False when the answer is not what the scenario says.
Co<bool> ScriptProcesses::make(RunningProcess& process, const ScriptCall& call, unsigned index) {
  environment_.publish(
      ScriptCallBegun{environment_.generation(), process.name, call.place, call.text, index});
  const Answer answer = co_await dispatch(process, call, index);
  const bool asleep = call.kind == CallKind::kPause || call.kind == CallKind::kRecvmsg;
  if (process.killed && asleep && !answer.value) {
    co_return true;
  }
  co_return judge(process, call, index, answer);
}

bool ScriptProcesses::judge(RunningProcess& process, const ScriptCall& call, unsigned index,
                            const Answer& answer) {
  const bool as_expected =
      call.fails ? !answer.value && answer.value.error() == *call.fails : answer.value.has_value();
  std::string seen = !answer.value ? fmt::format("fails with {}", linux::name(answer.value.error()))
                     : !answer.wrong.empty() ? answer.wrong
                                             : fmt::format("returns {}", *answer.value);
  const bool right = !call.blocks && as_expected && answer.wrong.empty() &&
                     (!call.returns || (answer.value && *answer.value == *call.returns));
  if (answer.value && !call.as.empty()) {
    process.results[with_index(call.as, index)] = *answer.value;
  }
  environment_.print(!right       ? sim::LogLevel::kWarning
                     : index == 0 ? sim::LogLevel::kInfo
                                  : sim::LogLevel::kDebug,
                     process.name, "{}: {}", with_index(call.text, index), seen);
  environment_.publish(ScriptCallMade{environment_.generation(), process.name, call.place,
                                      call.text, index, right, expected_of(call), seen});
  return right;
}

}  // namespace baton::vmm
