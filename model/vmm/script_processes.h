// Runs the processes of a scenario's script (script.h) under one kernel, and says of every call
// what it answered and whether that is what the scenario says.
//
// A call with a wrong answer ends its process, as a failed assertion does. At the end of its calls
// a process exits and closes what it has open; `pause` keeps it.
//
// Not modelled: memory that a fork shares or copies (the child has the descriptors and the names,
// not the mappings), signals other than SIGKILL; a process that sleeps dies of it when it wakes;
// Unix sockets but for the descriptors that are passed over them: each two processes have one, and
// what was sent lies in the receiver's table from then on, as it would lie in the socket, and a
// table that is full is the sender's EMFILE.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/linux/kernel/system_calls.h"
#include "model/vmm/environment.h"
#include "model/vmm/user_space.h"

namespace baton::vmm {

// A process at its work. `results` are the values that `as` names.
struct RunningProcess {
  RunningProcess(linux::Kernel& kernel, std::string process_name)
      : name(std::move(process_name)),
        process(kernel.create_process(name)),
        calls(kernel, process) {}

  std::string name;
  linux::Process& process;
  linux::SystemCalls calls;
  std::map<std::string, std::int64_t, std::less<>> results;
  std::map<std::string, std::uint64_t, std::less<>> mapped;  // lengths, by name
  std::deque<int> received;  // descriptors that were sent and not taken yet
  bool killed = false;
  bool leaving = false;  // it exits; nothing is sent to it any more
  bool ended = false;
  sim::WaitQueue signal;  // pause() waits here
  sim::WaitQueue ending;  // waitpid() waits here
  sim::WaitQueue sent;    // recvmsg() waits here
};

// The value of an operand: a number, or the name of a result.
std::int64_t value_of(const RunningProcess& process, std::string_view text, unsigned index);
std::int64_t value_of(const RunningProcess& process, const ScriptCall& call, std::string_view key,
                      unsigned index, std::int64_t otherwise);
// What is wrong with what was read; empty when nothing is.
std::string compare_content(const ScriptCall& call, std::string_view read, unsigned index);

class ScriptProcesses {
 public:
  // Both outlive it.
  ScriptProcesses(Environment& environment, const UserConfig& config);

  // Starts those of this generation.
  void start();

 private:
  // What a call came to: its value, and what is wrong with what it read.
  struct Answer {
    linux::Result<std::int64_t> value = std::int64_t{0};
    std::string wrong;
  };

  Co<> run(const ScriptProcess& script);
  Co<> run_calls(RunningProcess& process, const std::vector<ScriptCall>& calls);
  Co<bool> make(RunningProcess& process, const ScriptCall& call, unsigned index);
  bool judge(RunningProcess& process, const ScriptCall& call, unsigned index, const Answer& answer);
  void say(const RunningProcess& process, std::string_view state);
  RunningProcess* find(std::string_view name);

  Co<Answer> dispatch(RunningProcess& process, const ScriptCall& call, unsigned index);
  Co<Answer> on_file(RunningProcess& process, const ScriptCall& call, unsigned index);
  Co<Answer> read(RunningProcess& process, const ScriptCall& call, unsigned index);
  Co<Answer> write(RunningProcess& process, const ScriptCall& call, unsigned index);
  Co<Answer> ioctl(RunningProcess& process, const ScriptCall& call, unsigned index);
  // script_memory.cc
  Co<Answer> memory(RunningProcess& process, const ScriptCall& call, unsigned index);
  Co<Answer> map(RunningProcess& process, const ScriptCall& call, unsigned index);
  Co<Answer> wait_for(RunningProcess& process, const ScriptCall& call, unsigned index);
  static Answer bytes(RunningProcess& process, const ScriptCall& call, unsigned index);
  static Answer peek(RunningProcess& process, const ScriptCall& call, unsigned index);
  static Answer poke(RunningProcess& process, const ScriptCall& call, unsigned index);
  static Answer movdir64b(RunningProcess& process, const ScriptCall& call, unsigned index);
  static Answer sweep(RunningProcess& process, const ScriptCall& call, unsigned index);
  // Where a call works: what its first key names, its offset, and a stride for each repetition.
  static UserAddr place_of(const RunningProcess& process, const ScriptCall& call, unsigned index);
  static std::uint64_t offset_of(const RunningProcess& process, const ScriptCall& call,
                                 std::string_view key, unsigned index);
  Co<Answer> on_process(RunningProcess& process, const ScriptCall& call, unsigned index);
  Answer send(RunningProcess& process, const ScriptCall& call, unsigned index);
  Co<Answer> receive(RunningProcess& process);
  Co<Answer> reboot(RunningProcess& process, const ScriptCall& call);

  Environment& environment_;
  const UserConfig& config_;
  std::vector<std::unique_ptr<RunningProcess>> running_;
};

}  // namespace baton::vmm
