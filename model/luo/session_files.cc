// The files of a session [linux kernel/liveupdate/luo_file.c].
#include <algorithm>

#include "model/luo/state.h"

namespace baton::luo {

using linux::Errno;

Session::Session(Luo::State& state_of_luo, std::string session_name, SessionState initial)
    : luo(state_of_luo),
      name(std::move(session_name)),
      state(session_table(), initial),
      blocks(luo.services, luo.kho, sizeof(abi::FileEntry), "luo file block") {}

linux::Result<> Session::apply(SessionEvent event) {
  const SessionState before = state.value();
  const auto applied = state.apply(event);
  if (applied && state.value() != before) {
    luo.services.port().simulation().topic<linux::SessionChanged>().publish(
        {luo.services.generation(), name, luo::name(state.value())});
  }
  return applied;
}

linux::Result<> Session::apply(FileRecord& record, FileEvent event) {
  const auto applied = record.state.apply(event);
  if (applied) {
    luo.services.port().simulation().topic<linux::SessionFileChanged>().publish(
        {luo.services.generation(), name, record.token, record.handler.handler.compatible(),
         luo::name(record.state.value())});
  }
  return applied;
}

FileRecord* Session::find(std::uint64_t token) {
  for (const auto& record : files) {
    if (record->token == token) {
      return record.get();
    }
  }
  return nullptr;
}

void Session::publish(const FileRecord& record, linux::LedgerEvent event) {
  auto& ledger = luo.services.port().simulation().topic<linux::LedgerEntry>();
  if (ledger.active()) {
    ledger.publish({luo.services.generation(), event, linux::LedgerKind::kFile, "session file",
                    sim::PhysRange{}, record.token});
  }
}

void Session::called(const FileRecord& record, Callback call, bool done, std::uint64_t given,
                     std::uint64_t data) {
  auto& topic = luo.services.port().simulation().topic<FileCallback>();
  if (topic.active()) {
    topic.publish({luo.services.generation(), name, record.token,
                   record.handler.handler.compatible(), call, done, given, data, record.id,
                   record.retrieve_status});
  }
}

FileArgs Session::args_of(FileRecord& record) {
  FileArgs args;
  args.session = this;
  args.file = record.file;
  args.serialized_data = record.data;
  args.private_data = record.private_data;
  args.retrieve_status = record.retrieve_status;
  return args;
}

// Steps 6 to 9: on an error nothing of them is left.
Co<linux::Result<>> Session::preserve_file(FileRecord& record) {
  const auto shared = co_await luo.flbs_preserve(record.handler);
  if (!shared) {
    co_return shared;
  }
  FileArgs args = args_of(record);
  const auto preserved = co_await record.handler.handler.preserve(args);
  called(record, Callback::kPreserve, preserved.has_value(), record.data, args.serialized_data);
  if (!preserved) {
    co_await luo.flbs_unpreserve(record.handler);
    co_return preserved;
  }
  record.data = args.serialized_data;
  record.private_data = std::move(args.private_data);
  co_return linux::Result<>();
}

Co<linux::Result<>> Session::preserve(linux::Process& process, int descriptor,
                                      std::uint64_t token) {
  if (find(token) != nullptr) {
    co_return linux::fail(Errno::kExist);
  }
  if (const auto grown = blocks.grow(files.size() + 1); !grown) {
    co_return grown;
  }
  if (luo.services.has(linux::Defect::kLuoSkipFileBlock))
    luo.kho.unpreserve_folio(blocks.head(), 0);
  const auto file = process.file(descriptor);
  if (!file) {
    blocks.shrink(files.size());
    co_return linux::fail(file.error());
  }
  linux::File& held = **file;
  luo.services.files().get(held);
  Errno error{};
  HandlerRecord* handler = luo.handler_for(held);
  const void* id = handler != nullptr ? handler->handler.id(held) : nullptr;
  if (handler == nullptr) {
    error = Errno::kNoEnt;
  } else if (luo.ids.contains(id) && !luo.services.has(linux::Defect::kLuoForgetIds)) {
    error = Errno::kBusy;
  } else {
    auto record = std::make_unique<FileRecord>(*handler, FileState::kPreserved);
    record->file = &held;
    record->id = id;
    record->token = token;
    luo.ids.emplace(id, record.get());
    const auto preserved = co_await preserve_file(*record);
    if (preserved) {
      luo.services.port().simulation().topic<linux::SessionFileChanged>().publish(
          {luo.services.generation(), name, token, handler->handler.compatible(),
           luo::name(FileState::kPreserved)});
      publish(*record, linux::LedgerEvent::kPreserved);
      files.push_back(std::move(record));
      co_return linux::Result<>();
    }
    luo.ids.erase(id);
    error = preserved.error();
  }
  co_await luo.services.files().put(held);
  blocks.shrink(files.size());
  co_return linux::fail(error);
}

Co<> Session::unpreserve_last() {
  FileRecord& record = *files.back();
  FileArgs args = args_of(record);
  co_await record.handler.handler.unpreserve(args);
  called(record, Callback::kUnpreserve, true, record.data, record.data);
  co_await luo.flbs_unpreserve(record.handler);
  luo.ids.erase(record.id);
  static_cast<void>(apply(record, FileEvent::kUnpreserve));
  publish(record, linux::LedgerEvent::kUnpreserved);
  linux::File& file = *record.file;
  files.pop_back();
  blocks.shrink(files.size());
  co_await luo.services.files().put(file);
}

// Last preserved first.
Co<> Session::unpreserve_all() {
  while (!files.empty()) {
    co_await unpreserve_last();
  }
}

Co<linux::Result<>> Session::freeze(abi::SessionEntry& entry) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    FileRecord& record = *files[i];
    FileArgs args = args_of(record);
    const auto frozen = co_await record.handler.handler.freeze(args);
    called(record, Callback::kFreeze, frozen.has_value(), record.data, args.serialized_data);
    if (!frozen) {
      co_await unfreeze(i);
      co_return frozen;
    }
    record.data = args.serialized_data;
    static_cast<void>(apply(record, FileEvent::kFreeze));
    abi::FileEntry file_entry;
    file_entry.compatible = abi::compatible(record.handler.handler.compatible());
    file_entry.data = record.data;
    file_entry.token = record.token;
    blocks.write_entry(i, std::as_bytes(std::span(&file_entry, 1)));
  }
  if (!files.empty()) {
    entry.files = blocks.head().value();
    entry.count = files.size();
  }
  std::ranges::copy(name, entry.name.begin());
  co_return linux::Result<>();
}

Co<> Session::unfreeze(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    FileRecord& record = *files[i];
    FileArgs args = args_of(record);
    co_await record.handler.handler.unfreeze(args);
    called(record, Callback::kUnfreeze, true, record.data, record.data);
    if (luo.services.has(linux::Defect::kLuoUnfreezeZeroesData)) record.data = 0;
    static_cast<void>(apply(record, FileEvent::kUnfreeze));
  }
  blocks.clear();
}

linux::Result<> Session::deserialize(const abi::SessionEntry& entry) {
  if (entry.files == 0) {
    if (entry.count != 0) {
      luo.services.print(sim::LogLevel::kWarning, "luo: session {} counts {} files, has none", name,
                         entry.count);
    }
    return {};
  }
  if (const auto chain = blocks.restore(PhysAddr(entry.files)); !chain) {
    return chain;
  }
  for (const auto& bytes : blocks.entries()) {
    abi::FileEntry file_entry;
    std::memcpy(&file_entry, bytes.data(), sizeof(file_entry));
    HandlerRecord* handler = luo.handler_by(abi::text_of(file_entry.compatible));
    if (handler == nullptr) {
      return linux::fail(Errno::kNoEnt);
    }
    auto record = std::make_unique<FileRecord>(*handler, FileState::kNotRetrieved);
    record->data = file_entry.data;
    record->token = file_entry.token;
    files.push_back(std::move(record));
  }
  return files.size() == entry.count ? linux::Result<>() : linux::fail(Errno::kInval);
}

Co<linux::Result<linux::File*>> Session::retrieve(std::uint64_t token) {
  FileRecord* record = find(token);
  if (record == nullptr) {
    co_return linux::fail(Errno::kNoEnt);
  }
  if (record->retrieve_status < 0) {
    co_return linux::fail(static_cast<Errno>(-record->retrieve_status));
  }
  const bool failed = record->state.value() == FileState::kRetrieveFailed;
  if (record->state.value() == FileState::kNotRetrieved || failed) {
    FileArgs args;
    args.session = this;
    args.serialized_data = record->data;
    const auto retrieved = co_await record->handler.handler.retrieve(args);
    if (retrieved) record->id = record->handler.handler.id(**retrieved);
    called(*record, Callback::kRetrieve, retrieved.has_value(), record->data, record->data);
    if (!retrieved) {
      if (!luo.services.has(linux::Defect::kLuoForgetRetrieveError))
        record->retrieve_status = -static_cast<int>(retrieved.error());
      static_cast<void>(apply(*record, FileEvent::kRetrieveError));
      co_return linux::fail(retrieved.error());
    }
    record->file = *retrieved;
    if (!luo.ids.emplace(record->id, record).second) {
      luo.services.print(sim::LogLevel::kWarning, "luo: a retrieved file is preserved already");
      record->id = nullptr;
    }
    record->retrieve_status = 1;
    static_cast<void>(apply(*record, FileEvent::kRetrieve));
    publish(*record, linux::LedgerEvent::kRestored);
  }
  luo.services.files().get(*record->file);
  co_return record->file;
}

Co<> Session::finish_file(FileRecord& record) {
  FileArgs args = args_of(record);
  co_await record.handler.handler.finish(args);
  called(record, Callback::kFinish, true, record.data, record.data);
  for (std::size_t i = record.handler.flbs.size(); i > 0; --i) {
    co_await luo.flb_put(*record.handler.flbs[i - 1]);
  }
  static_cast<void>(apply(record, FileEvent::kFinish));
  publish(record, linux::LedgerEvent::kFinished);
  if (record.id != nullptr) {
    luo.ids.erase(record.id);
  }
  if (record.file != nullptr) {
    co_await luo.services.files().put(*record.file);
  }
}

// All or nothing, last file first.
Co<linux::Result<>> Session::finish() {
  for (const auto& record : files) {
    FileArgs args = args_of(*record);
    if (!co_await record->handler.handler.can_finish(args)) {
      co_return linux::fail(Errno::kBusy);
    }
  }
  while (!files.empty()) {
    co_await finish_file(*files.back());
    files.pop_back();
  }
  blocks.destroy();
  co_return linux::Result<>();
}

}  // namespace baton::luo
