// The core: boot, registration, the reboot hook [linux kernel/liveupdate/luo_core.c].
#include "model/luo/luo.h"

#include "model/kho/command_line.h"
#include "model/luo/state.h"

namespace baton::luo {

using linux::Errno;

Co<linux::Result<>> FileHandler::freeze(FileArgs& /*args*/) { co_return linux::Result<>(); }
Co<> FileHandler::unfreeze(FileArgs& /*args*/) { co_return; }
Co<bool> FileHandler::can_finish(FileArgs& /*args*/) { co_return true; }

Luo::State::State(linux::KernelServices& kernel_services, kho::Kho& handover,
                  std::string_view command_line)
    : services(kernel_services),
      kho(handover),
      requested(services.config().pieces.luo != linux::LuoVersion::kOff &&
                kho::flag(command_line, "liveupdate").value_or(false)),
      phases_entered(static_cast<std::size_t>(linux::RunPhase::kEnd) + 1),
      session_blocks(services, kho, sizeof(abi::SessionEntry), "luo session block"),
      incoming_blocks(services, kho, sizeof(abi::SessionEntry), "luo session block") {}

void Luo::State::enter(linux::RunPhase phase) {
  const auto index = static_cast<std::size_t>(phase);
  if (!phases_entered[index]) {
    phases_entered[index] = true;
    services.port().simulation().topic<linux::PhaseEntered>().publish(
        {services.generation(), phase});
  }
}

// Nothing of what was handed over is touched where live update is off: its memory stays reserved.
bool Luo::State::refuse_header(std::string why) {
  if (requested || services.has(linux::Defect::kLuoPanicWhenOff)) {
    services.panic(std::move(why));
  }
  services.print(sim::LogLevel::kError, "{}; live update is off, it stays where it is", why);
  return true;
}

// luo_early_startup(): anything but a good header means that the old kernel's memory and devices
// cannot be accounted for.
void Luo::State::read_header(const kho::Kho::Blob& blob) {
  abi::Header incoming_header;
  if (blob.size < sizeof(incoming_header) ||
      !ram().contains(blob.address, sizeof(incoming_header))) {
    if (refuse_header("luo: incoming state is too small or lies nowhere")) return;
  }
  ram().read(blob.address, std::as_writable_bytes(std::span(&incoming_header, 1)));
  const bool known = incoming_header.compatible == abi::kCompatible ||
                     services.has(linux::Defect::kLuoAcceptAnyCompatible);
  services.port().simulation().topic<HeaderRead>().publish(
      {services.generation(), incoming_header.compatible, known});
  if (!known && refuse_header("luo: incoming state is not compatible with luo-v5")) return;
  number = incoming_header.liveupdate_number;
  if (const auto chain = incoming_blocks.restore(PhysAddr(incoming_header.sessions)); !chain) {
    if (refuse_header(fmt::format("luo: incoming session blocks are corrupt ({})",
                                  linux::name(chain.error())))) {
      return;
    }
  }
  const PhysAddr flbs_at(incoming_header.flbs);
  abi::FlbPageHeader flb_header;
  if (flbs_at.page_offset() != 0 || !ram().contains(flbs_at, sim::kPageSize)) {
    if (refuse_header("luo: the incoming FLB page lies nowhere")) return;
  }
  ram().read(flbs_at, std::as_writable_bytes(std::span(&flb_header, 1)));
  // The kernel trusts the count and would run past the page; a machine dies of that too.
  if (flb_header.pages != 1 || flb_header.count > abi::kMostFlbs) {
    if (refuse_header("luo: the incoming FLB page is corrupt")) return;
  }
  incoming_flb_page = flbs_at;
  have_incoming = true;
  kho.restore_free(blob.address);
}

linux::Result<> Luo::State::create_outgoing() {
  const auto header_page = kho.alloc_preserve(sizeof(abi::Header), "luo header");
  if (!header_page) {
    return linux::fail(header_page.error());
  }
  if (services.has(linux::Defect::kLuoSkipHeader)) kho.unpreserve_folio(*header_page, 0);
  const auto flbs_at = kho.alloc_preserve(sim::kPageSize, "luo flb page");
  if (!flbs_at) {
    kho.unpreserve_free(*header_page);
    return linux::fail(flbs_at.error());
  }
  if (services.has(linux::Defect::kLuoSkipFlbPage)) kho.unpreserve_folio(*flbs_at, 0);
  abi::Header outgoing_header;
  if (services.has(linux::Defect::kLuoWriteOtherCompatible)) outgoing_header.compatible[5] = '4';
  outgoing_header.liveupdate_number = number + 1;
  outgoing_header.flbs = flbs_at->value();
  ram().store(*header_page, outgoing_header);
  ram().store(*flbs_at, abi::FlbPageHeader{});
  if (const auto added = kho.add_subtree(abi::kBlobName, *header_page, sizeof(abi::Header));
      !added) {
    kho.unpreserve_free(*flbs_at);
    kho.unpreserve_free(*header_page);
    return added;
  }
  header = *header_page;
  flb_page = *flbs_at;
  return {};
}

HandlerRecord* Luo::State::handler_for(linux::File& file) {
  for (const auto& record : handlers) {
    if (record->handler.can_preserve(file)) {
      return record.get();
    }
  }
  return nullptr;
}

HandlerRecord* Luo::State::handler_by(std::string_view compatible) {
  for (const auto& record : handlers) {
    if (record->handler.compatible() == compatible) {
      return record.get();
    }
  }
  return nullptr;
}

Luo::Luo(linux::KernelServices& services, kho::Kho& kho, std::string_view command_line)
    : state_(std::make_unique<State>(services, kho, command_line)) {}

Luo::~Luo() = default;

void Luo::early_init() {
  State& state = *state_;
  if (!state.kho.enabled()) {
    if (state.requested) {
      state.services.print(sim::LogLevel::kWarning, "luo: disabled, kexec handover is off");
    }
    state.requested = false;
    return;
  }
  const auto blob = state.kho.retrieve_subtree(abi::kBlobName);
  if (blob) {
    state.read_header(*blob);
  } else if (blob.error() != Errno::kNoEnt) {
    state.services.panic("luo: the incoming blob cannot be read");
  }
}

Co<> Luo::late_init() {
  State& state = *state_;
  if (!state.requested || !state.kho.enabled()) {
    co_return;
  }
  const auto created = state.create_outgoing();
  state.enabled = created.has_value();
  if (!created) {
    state.services.print(sim::LogLevel::kError, "luo: no outgoing state ({}), disabled",
                         linux::name(created.error()));
  }
}

bool Luo::enabled() const { return state_->enabled; }

linux::Result<> Luo::register_handler(FileHandler& handler) {
  if (!state_->requested) {
    return linux::fail(Errno::kOpNotSupp);
  }
  const std::string_view compatible = handler.compatible();
  if (compatible.empty() || compatible.size() >= abi::kCompatibleLength) {
    return linux::fail(Errno::kInval);
  }
  if (state_->handler_by(compatible) != nullptr) {
    return linux::fail(Errno::kExist);
  }
  state_->handlers.push_back(std::make_unique<HandlerRecord>(handler));
  return {};
}

linux::Result<> Luo::register_flb(FileHandler& handler, Flb& flb) {
  State& state = *state_;
  if (!state.requested) {
    return linux::fail(Errno::kOpNotSupp);
  }
  const std::string_view compatible = flb.compatible();
  HandlerRecord* owner = state.handler_by(handler.compatible());
  if (owner == nullptr || compatible.empty() || compatible.size() >= abi::kCompatibleLength) {
    return linux::fail(Errno::kInval);
  }
  FlbRecord& record = state.flb_of(flb);
  for (const FlbRecord* other : owner->flbs) {
    if (other == &record) return linux::fail(Errno::kExist);
  }
  if (!record.registered) {
    for (const FlbRecord* other : state.registered_flbs) {
      if (other->flb.compatible() == compatible) return linux::fail(Errno::kExist);
    }
    if (state.registered_flbs.size() >= abi::kMostFlbs) {
      return linux::fail(Errno::kNoSpc);
    }
    record.registered = true;
    state.registered_flbs.push_back(&record);
  }
  owner->flbs.push_back(&record);
  state.services.port().simulation().topic<FlbAttached>().publish(
      {state.services.generation(), compatible, handler.compatible()});
  return {};
}

Co<linux::Result<>> Luo::reboot() {
  State& state = *state_;
  state.enter(linux::RunPhase::kFreeze);
  if (!state.enabled) {
    co_return linux::Result<>();
  }
  const auto serialized = co_await state.serialize();
  if (serialized) {
    state.flb_serialize();
    state.services.port().simulation().topic<SessionsSerialized>().publish(
        {state.services.generation(), state.header});
  }
  co_return serialized;
}

linux::Result<std::uint64_t> Luo::token_of(Session& session, linux::File& file) {
  for (const auto& record : session.files) {
    if (record->file == &file) {
      return record->token;
    }
  }
  return linux::fail(Errno::kNoEnt);
}

linux::Result<linux::File*> Luo::retrieved_file(Session& session, std::uint64_t token) {
  const FileRecord* record = session.find(token);
  if (record == nullptr || record->file == nullptr) {
    return linux::fail(Errno::kNoEnt);
  }
  return record->file;
}

Co<linux::Result<>> Luo::get_incoming(Flb& flb) {
  if (!state_->requested) {
    co_return linux::fail(Errno::kOpNotSupp);
  }
  co_return co_await state_->flb_get(state_->flb_of(flb));
}

Co<> Luo::put_incoming(Flb& flb) { co_await state_->flb_put(state_->flb_of(flb)); }

linux::Result<> Luo::get_outgoing(Flb& flb) {
  FlbRecord& record = state_->flb_of(flb);
  if (record.outgoing.value() != FlbState::kPreserved) {
    return linux::fail(Errno::kNoEnt);
  }
  if (state_->services.has(linux::Defect::kLuoFlbCountsReferences)) ++record.outgoing_count;
  return {};
}

}  // namespace baton::luo
