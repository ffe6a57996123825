// Sessions and the device [linux kernel/liveupdate/luo_session.c, luo_core.c].
#include <algorithm>

#include "model/linux/uapi/liveupdate.h"
#include "model/luo/ioctl.h"
#include "model/luo/state.h"

namespace baton::luo {

namespace {

using linux::Errno;
namespace uapi = linux::uapi;

class SessionFile final : public linux::File {
 public:
  SessionFile(Luo::State& luo, Session& session) : luo_(luo), session_(session) {}

  std::string name() const override { return "anon_inode:[luo_session] " + session_.name; }

  Co<linux::Result<std::int64_t>> ioctl(linux::Process& process, std::uint32_t command,
                                        std::span<std::byte> argument) override {
    const std::uint32_t first = ioctl_number(uapi::kLiveupdateSessionPreserveFd);
    constexpr std::array kEvents{SessionEvent::kPreserveFd, SessionEvent::kRetrieveFd,
                                 SessionEvent::kFinish, SessionEvent::kGetName};
    const std::uint32_t number = ioctl_number(command);
    if (number < first || number - first >= kEvents.size()) {
      co_return linux::fail(Errno::kInval);
    }
    if (const auto size = user_size(argument); !size) {
      co_return linux::fail(size.error());
    }
    if (command != uapi::kLiveupdateSessionPreserveFd + (number - first)) {
      co_return linux::fail(Errno::kNoTty);
    }
    const SessionEvent event = kEvents.at(number - first);
    const bool lax = event == SessionEvent::kRetrieveFd &&
                     luo_.services.has(linux::Defect::kLuoRetrieveOutgoing);
    if (const auto allowed = session_.state.check(event); !allowed && !lax) {
      co_return linux::fail(allowed.error());
    }
    auto result = event == SessionEvent::kPreserveFd   ? preserve(process, argument)
                  : event == SessionEvent::kRetrieveFd ? retrieve(process, argument)
                  : event == SessionEvent::kFinish     ? finish(process, argument)
                                                       : get_name(process, argument);
    co_return co_await std::move(result);
  }

  Co<> release() override { co_await luo_.release_session(session_); }

 private:
  using Answer = linux::Result<std::int64_t>;

  Co<Answer> preserve(linux::Process& process, std::span<std::byte> argument) {
    uapi::LiveupdatePreserveFd request;
    if (const auto copied = copy_struct(argument, request); !copied) {
      co_return linux::fail(copied.error());
    }
    const auto reader = co_await luo_.enter_operation();
    luo_.enter(linux::RunPhase::kPreserve);
    const auto guard = co_await session_.mutex.lock(luo_.context());
    const auto preserved = co_await session_.preserve(process, request.fd, request.token);
    if (!preserved) {
      co_return linux::fail(preserved.error());
    }
    const auto answered = copy_reply(process, argument, request);
    if (!answered && !luo_.services.has(linux::Defect::kLuoKeepAfterFault)) {
      co_await session_.unpreserve_last();
    }
    co_return answered ? Answer(0) : linux::fail(answered.error());
  }

  Co<Answer> retrieve(linux::Process& process, std::span<std::byte> argument) {
    uapi::LiveupdateRetrieveFd request;
    if (const auto copied = copy_struct(argument, request); !copied) {
      co_return linux::fail(copied.error());
    }
    const auto reader = co_await luo_.enter_operation();
    if (!process.has_free_descriptor()) {
      co_return linux::fail(Errno::kMFile);
    }
    const auto guard = co_await session_.mutex.lock(luo_.context());
    const auto file = co_await session_.retrieve(request.token);
    if (!file) {
      co_return linux::fail(file.error());
    }
    luo_.enter(linux::RunPhase::kRetrieve);
    const auto descriptor = process.install(**file);
    if (!descriptor) {
      co_await luo_.services.files().put(**file);
      co_return linux::fail(descriptor.error());
    }
    request.fd = *descriptor;
    const auto answered = copy_reply(process, argument, request);
    if (!answered) {
      static_cast<void>(co_await process.close(*descriptor));  // the file stays retrieved
      co_return linux::fail(answered.error());
    }
    co_return 0;
  }

  Co<Answer> finish(linux::Process& process, std::span<std::byte> argument) {
    uapi::LiveupdateFinish request;
    if (const auto copied = copy_struct(argument, request); !copied) {
      co_return linux::fail(copied.error());
    }
    const auto reader = co_await luo_.enter_operation();
    if (request.reserved != 0) {
      co_return linux::fail(Errno::kInval);
    }
    const auto guard = co_await session_.mutex.lock(luo_.context());
    const auto finished = co_await session_.finish();
    if (!finished) {
      co_return linux::fail(finished.error());
    }
    static_cast<void>(session_.apply(SessionEvent::kFinish));
    luo_.enter(linux::RunPhase::kFinish);
    const auto answered = copy_reply(process, argument, request);
    co_return answered ? Answer(0) : linux::fail(answered.error());
  }

  Co<Answer> get_name(linux::Process& process, std::span<std::byte> argument) {
    uapi::LiveupdateGetName request;
    const std::size_t known = luo_.services.has(linux::Defect::kLuoGetNameEntry)
                                  ? sizeof(uapi::LiveupdateRetrieveFd)
                                  : sizeof(request);
    if (const auto copied = copy_struct(argument, request, known); !copied) {
      co_return linux::fail(copied.error());
    }
    const auto reader = co_await luo_.enter_operation();
    request.name = uapi::session_name(session_.name);
    const auto answered = copy_reply(process, argument.first(request.size), request);
    co_return answered ? Answer(0) : linux::fail(answered.error());
  }

  Luo::State& luo_;
  Session& session_;
};

class DeviceFile final : public linux::File {
 public:
  explicit DeviceFile(Luo::State& luo) : luo_(luo) {}

  std::string name() const override { return "/dev/liveupdate"; }

  Co<linux::Result<std::int64_t>> ioctl(linux::Process& process, std::uint32_t command,
                                        std::span<std::byte> argument) override {
    const std::uint32_t number = ioctl_number(command);
    if (number > ioctl_number(uapi::kLiveupdateIoctlRetrieveSession)) {
      co_return linux::fail(Errno::kInval);
    }
    if (const auto size = user_size(argument); !size) {
      co_return linux::fail(size.error());
    }
    if (command != uapi::kLiveupdateIoctlCreateSession + number) {
      co_return linux::fail(Errno::kNoTty);
    }
    // Both requests have this layout.
    uapi::LiveupdateCreateSession request;
    if (const auto copied = copy_struct(argument, request); !copied) {
      co_return linux::fail(copied.error());
    }
    const bool create = command == uapi::kLiveupdateIoctlCreateSession;
    auto call = create ? luo_.create_session(process, request.name)
                       : luo_.retrieve_session(process, abi::text_of(request.name));
    const auto descriptor = co_await std::move(call);
    if (!descriptor) {
      co_return linux::fail(descriptor.error());
    }
    request.fd = *descriptor;
    const auto answered = copy_reply(process, argument, request);
    if (!answered) {
      // The close gives up a session that was just made, and finishes one that was retrieved.
      static_cast<void>(co_await process.close(*descriptor));
      co_return linux::fail(answered.error());
    }
    co_return 0;
  }

  Co<> release() override {
    luo_.device_open = false;
    co_return;
  }

 private:
  Luo::State& luo_;
};

}  // namespace

Co<linux::Result<linux::File*>> Luo::open_device() {
  State& state = *state_;
  if (!state.enabled) {
    co_return linux::fail(Errno::kNoEnt);  // no such device node
  }
  if (state.device_open) {
    co_return linux::fail(Errno::kBusy);
  }
  if (!state.deserialized) {
    state.deserialized = state.deserialize();
    if (!*state.deserialized) {
      state.services.print(sim::LogLevel::kError, "luo: incoming sessions cannot be restored ({})",
                           linux::name(state.deserialized->error()));
    }
  }
  if (!*state.deserialized) {
    co_return linux::fail(Errno::kIo);
  }
  state.device_open = true;
  co_return &state.services.files().add(std::make_unique<DeviceFile>(state));
}

// An error stops everything; what was built stays, unreachable.
linux::Result<> Luo::State::deserialize() {
  for (const auto& bytes : incoming_blocks.entries()) {
    abi::SessionEntry entry;
    std::memcpy(&entry, bytes.data(), sizeof(entry));
    const std::string session_name(abi::text_of(entry.name));
    if (find(incoming, session_name) != nullptr) {
      return linux::fail(Errno::kExist);
    }
    incoming.push_back(std::make_unique<Session>(*this, session_name, SessionState::kUnretrieved));
    services.port().simulation().topic<linux::SessionChanged>().publish(
        {services.generation(), incoming.back()->name, luo::name(SessionState::kUnretrieved)});
    if (const auto done = incoming.back()->deserialize(entry);
        !done && !services.has(linux::Defect::kLuoIgnoreFileErrors)) {
      return done;
    }
  }
  incoming_blocks.destroy();
  return {};
}

Session* Luo::State::find(std::vector<std::unique_ptr<Session>>& list,
                          std::string_view session_name) {
  for (const auto& session : list) {
    if (session->name == session_name) {
      return session.get();
    }
  }
  return nullptr;
}

Co<RwLock::ReadGuard> Luo::State::enter_operation() {
  if (services.has(linux::Defect::kLuoForgetSerializeLock)) {
    co_return RwLock::ReadGuard();
  }
  co_return co_await serialize_lock.read(context());
}

Co<linux::Result<int>> Luo::State::create_session(linux::Process& process,
                                                  const SessionName& raw_name) {
  const auto reader = co_await enter_operation();
  if (!process.has_free_descriptor()) {
    co_return linux::fail(Errno::kMFile);
  }
  const std::string_view session_name = abi::text_of(raw_name);
  const bool usable = !session_name.empty() && session_name.size() < raw_name.size();
  if (!usable && !services.has(linux::Defect::kLuoAcceptAnyName)) {
    co_return linux::fail(Errno::kInval);
  }
  if (const auto grown = session_blocks.grow(outgoing.size() + 1); !grown) {
    co_return linux::fail(grown.error());
  }
  if (find(outgoing, session_name) != nullptr) {
    // An empty last block would be refused by the reader.
    if (!services.has(linux::Defect::kLuoDuplicateLeavesBlock))
      session_blocks.shrink(outgoing.size());
    co_return linux::fail(Errno::kExist);
  }
  if (services.has(linux::Defect::kLuoSkipSessionBlock))
    kho.unpreserve_folio(session_blocks.head(), 0);
  outgoing.push_back(
      std::make_unique<Session>(*this, std::string(session_name), SessionState::kOutgoing));
  Session& session = *outgoing.back();
  services.port().simulation().topic<linux::SessionChanged>().publish(
      {services.generation(), session.name, luo::name(SessionState::kOutgoing)});
  services.port().simulation().topic<OutgoingSession>().publish(
      {services.generation(), session.name, true});
  co_return process.install(services.files().add(std::make_unique<SessionFile>(*this, session)));
}

Co<linux::Result<int>> Luo::State::retrieve_session(linux::Process& process,
                                                    std::string_view session_name) {
  const auto reader = co_await enter_operation();
  if (!process.has_free_descriptor()) {
    co_return linux::fail(Errno::kMFile);
  }
  Session* session = find(incoming, session_name);
  if (session == nullptr) {
    co_return linux::fail(Errno::kNoEnt);
  }
  if (const auto retrieved = session->apply(SessionEvent::kRetrieve); !retrieved) {
    co_return linux::fail(retrieved.error());
  }
  enter(linux::RunPhase::kRetrieve);
  co_return process.install(services.files().add(std::make_unique<SessionFile>(*this, *session)));
}

// The last reference of a session's descriptor: the only way to abandon a session, and one way to
// finish it.
Co<> Luo::State::release_session(Session& session) {
  const auto reader = co_await enter_operation();
  const bool created_here = session.state.value() == SessionState::kOutgoing ||
                            session.state.value() == SessionState::kSerialized;
  {
    const auto guard = co_await session.mutex.lock(context());
    if (created_here) {
      co_await session.unpreserve_all();
    } else {
      const auto finished = co_await session.finish();
      if (!finished) {
        // The caller of close() never learns of it: nobody can retrieve or finish this session.
        static_cast<void>(session.apply(SessionEvent::kCloseBusy));
        co_return;
      }
    }
    static_cast<void>(session.apply(SessionEvent::kClose));
  }
  if (created_here) {
    services.port().simulation().topic<OutgoingSession>().publish(
        {services.generation(), session.name, false});
  }
  auto& list = created_here ? outgoing : incoming;
  std::erase_if(list, [&session](const auto& entry) { return entry.get() == &session; });
  session_blocks.shrink(outgoing.size());
}

// luo_session_serialize(): on success the lock stays held, so that nothing that was handed over can
// change.
Co<linux::Result<>> Luo::State::serialize() {
  co_await serialize_lock.write(context());
  ram().store(header + abi::kHeaderSessionsOffset, std::uint64_t{0});
  for (std::size_t i = 0; i < outgoing.size(); ++i) {
    abi::SessionEntry entry;
    const auto frozen = co_await outgoing[i]->freeze(entry);
    if (!frozen) {
      co_await roll_back(i);
      serialize_lock.unlock();
      co_return frozen;
    }
    session_blocks.write_entry(i, std::as_bytes(std::span(&entry, 1)));
  }
  if (!outgoing.empty()) {
    ram().store(header + abi::kHeaderSessionsOffset, session_blocks.head().value());
  }
  for (const auto& session : outgoing) {
    static_cast<void>(session->apply(SessionEvent::kSerialize));
  }
  co_return linux::Result<>();
}

// The session that failed has undone its own files; earlier sessions follow, last first.
Co<> Luo::State::roll_back(std::size_t sessions_done) {
  while (sessions_done > 0) {
    Session& session = *outgoing[--sessions_done];
    co_await session.unfreeze(session.files.size());
  }
  session_blocks.clear();
}

}  // namespace baton::luo
