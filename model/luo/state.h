// Private to model/luo: what a kernel's LUO knows.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/kho/block_set.h"
#include "model/linux/base/observations.h"
#include "model/linux/base/process.h"
#include "model/luo/abi.h"
#include "model/luo/lock.h"
#include "model/luo/luo.h"
#include "model/luo/observations.h"
#include "model/luo/state_machine.h"

namespace baton::luo {

using SessionName = std::array<char, 64>;

// A shared object as LUO sees it. Serves both sides: what this kernel hands over, and what it was
// handed.
struct FlbRecord {
  explicit FlbRecord(Flb& shared) : flb(shared) {}

  Flb& flb;
  bool registered = false;
  Mutex mutex;
  StateOf<FlbState, FlbEvent> outgoing{flb_table(), FlbState::kUnused};
  std::uint64_t outgoing_count = 0;
  std::uint64_t outgoing_data = 0;
  StateOf<FlbState, FlbEvent> incoming{flb_table(), FlbState::kUnused};
  std::uint64_t incoming_count = 0;
  std::uint64_t incoming_data = 0;
  std::optional<linux::Errno> retrieve_error;
};

struct HandlerRecord {
  explicit HandlerRecord(FileHandler& file_handler) : handler(file_handler) {}
  FileHandler& handler;
  std::vector<FlbRecord*> flbs;  // in registration order
};

// A file in a session.
struct FileRecord {
  FileRecord(HandlerRecord& of, FileState initial) : handler(of), state(file_table(), initial) {}

  HandlerRecord& handler;
  StateOf<FileState, FileEvent> state;
  linux::File* file = nullptr;  // with LUO's reference
  const void* id = nullptr;
  std::uint64_t token = 0;
  std::uint64_t data = 0;
  std::any private_data;
  int retrieve_status = 0;
};

class Session {
 public:
  Session(Luo::State& luo, std::string session_name, SessionState initial);

  linux::Result<> apply(SessionEvent event);
  linux::Result<> apply(FileRecord& record, FileEvent event);
  FileRecord* find(std::uint64_t token);

  // Old kernel.
  Co<linux::Result<>> preserve(linux::Process& process, int descriptor, std::uint64_t token);
  Co<> unpreserve_last();
  Co<> unpreserve_all();
  Co<linux::Result<>> freeze(abi::SessionEntry& entry);
  Co<> unfreeze(std::size_t count);  // the first `count` files, in forward order

  // New kernel.
  linux::Result<> deserialize(const abi::SessionEntry& entry);
  Co<linux::Result<linux::File*>> retrieve(std::uint64_t token);
  Co<linux::Result<>> finish();

  Luo::State& luo;
  std::string name;
  StateOf<SessionState, SessionEvent> state;
  Mutex mutex;
  std::vector<std::unique_ptr<FileRecord>> files;
  kho::BlockSet blocks;

 private:
  void publish(const FileRecord& record, linux::LedgerEvent event);
  void called(const FileRecord& record, Callback call, bool done, std::uint64_t given,
              std::uint64_t data);
  FileArgs args_of(FileRecord& record);
  Co<linux::Result<>> preserve_file(FileRecord& record);
  Co<> finish_file(FileRecord& record);
};

class Luo::State {
 public:
  State(linux::KernelServices& kernel_services, kho::Kho& handover, std::string_view command_line);

  sim::Context& context() { return services.port().context(); }
  sim::PhysicalMemory& ram() { return services.port().ram(); }
  void enter(linux::RunPhase phase);  // publishes the first time

  // Boot.
  void read_header(const kho::Kho::Blob& blob);
  // True, and the header is left where it is, when nobody wants live update.
  bool refuse_header(std::string why);
  linux::Result<> create_outgoing();

  // Sessions.
  linux::Result<> deserialize();
  Session* find(std::vector<std::unique_ptr<Session>>& list, std::string_view session_name);
  // The lock that every operation on a session holds.
  Co<RwLock::ReadGuard> enter_operation();
  Co<linux::Result<int>> create_session(linux::Process& process, const SessionName& raw_name);
  Co<linux::Result<int>> retrieve_session(linux::Process& process, std::string_view session_name);
  Co<> release_session(Session& session);
  Co<linux::Result<>> serialize();
  Co<> roll_back(std::size_t sessions_done);

  // FLBs.
  FlbRecord& flb_of(Flb& flb);
  Co<linux::Result<>> flb_preserve(FlbRecord& record);
  Co<> flb_unpreserve(FlbRecord& record);
  linux::Result<> flb_load(FlbRecord& record);
  Co<linux::Result<>> flb_get(FlbRecord& record);
  Co<> flb_put(FlbRecord& record);
  void flb_called(const FlbRecord& record, Callback call, bool done, std::uint64_t data);
  void flb_serialize();
  Co<linux::Result<>> flbs_preserve(HandlerRecord& handler);  // all of a handler
  Co<> flbs_unpreserve(HandlerRecord& handler);

  HandlerRecord* handler_for(linux::File& file);
  HandlerRecord* handler_by(std::string_view compatible);

  linux::KernelServices& services;
  kho::Kho& kho;
  bool requested = false;  // liveupdate=
  bool enabled = false;    // outgoing state exists, the device can be opened
  RwLock serialize_lock;
  std::vector<std::unique_ptr<HandlerRecord>> handlers;
  std::vector<std::unique_ptr<FlbRecord>> flbs;
  std::vector<FlbRecord*> registered_flbs;  // in registration order
  std::map<const void*, FileRecord*> ids;   // found by id, never walked
  std::vector<bool> phases_entered;

  // Outgoing.
  PhysAddr header;
  PhysAddr flb_page;
  kho::BlockSet session_blocks;
  std::vector<std::unique_ptr<Session>> outgoing;

  // Incoming.
  bool have_incoming = false;
  std::uint64_t number = 0;
  PhysAddr incoming_flb_page;
  kho::BlockSet incoming_blocks;
  std::vector<std::unique_ptr<Session>> incoming;
  std::optional<linux::Result<>> deserialized;
  bool device_open = false;
};

}  // namespace baton::luo
