#include "model/vfio/notices.h"

#include <bit>
#include <cstring>
#include <utility>

#include "model/linux/uapi/vfio.h"

namespace baton::vfio {

namespace {

using linux::Errno;
using linux::fail;
namespace uapi = linux::uapi;

constexpr std::uint32_t kDataTypes =
    uapi::kVfioIrqSetDataNone | uapi::kVfioIrqSetDataBool | uapi::kVfioIrqSetDataEventfd;
constexpr std::uint32_t kActions =
    uapi::kVfioIrqSetActionMask | uapi::kVfioIrqSetActionUnmask | uapi::kVfioIrqSetActionTrigger;

std::size_t element_bytes(std::uint32_t flags) {
  if ((flags & uapi::kVfioIrqSetDataEventfd) != 0) return sizeof(std::int32_t);
  return (flags & uapi::kVfioIrqSetDataBool) != 0 ? 1 : 0;
}

}  // namespace

bool Notices::has(std::uint32_t index) {
  return index == uapi::kVfioPciErrIrqIndex || index == uapi::kVfioPciReqIrqIndex;
}

std::uint32_t Notices::count(std::uint32_t index) const {
  return index == uapi::kVfioPciReqIrqIndex || express_ ? 1 : 0;
}

Co<linux::Result<>> Notices::set(linux::Process& process, std::span<const std::byte> argument) {
  uapi::VfioIrqSet request;
  std::memcpy(&request, argument.first(sizeof(request)).data(), sizeof(request));
  const std::size_t bytes = request.count * element_bytes(request.flags);
  if (request.argsz < sizeof(request) || request.start != 0 || request.count > 1 ||
      count(request.index) == 0 || (request.flags & ~(kDataTypes | kActions)) != 0 ||
      !std::has_single_bit(request.flags & kDataTypes) || request.argsz - sizeof(request) < bytes) {
    co_return fail(Errno::kInval);
  }
  if (argument.size() - sizeof(request) < bytes) {
    co_return fail(Errno::kFault);
  }
  if ((request.flags & kActions) != uapi::kVfioIrqSetActionTrigger) {
    co_return fail(Errno::kNoTty);
  }
  linux::EventFd*& trigger = request.index == uapi::kVfioPciErrIrqIndex ? error_ : request_;
  const auto data = argument.subspan(sizeof(request), bytes);
  const bool none = (request.flags & uapi::kVfioIrqSetDataNone) != 0;
  if (none && request.count == 0) {
    co_await put(trigger, nullptr);
    co_return linux::Result<>();
  }
  if (request.count == 0) {
    co_return fail(Errno::kInval);
  }
  if ((request.flags & uapi::kVfioIrqSetDataEventfd) == 0) {
    if (trigger != nullptr && (none || data[0] != std::byte{0})) trigger->signal();
    co_return linux::Result<>();
  }
  std::int32_t descriptor = -1;
  std::memcpy(&descriptor, data.data(), sizeof(descriptor));
  linux::EventFd* instead = nullptr;
  if (descriptor >= 0) {
    const auto file = process.file(descriptor);
    if (!file) co_return fail(file.error());
    instead = linux::EventFd::from_file(**file);
    if (instead == nullptr) co_return fail(Errno::kInval);
  }
  co_await put(trigger, instead);
  co_return linux::Result<>();
}

Co<> Notices::put(linux::EventFd*& trigger, linux::EventFd* instead) {
  linux::EventFd* old = std::exchange(trigger, instead);
  if (instead != nullptr) services_.files().get(*instead);
  if (old != nullptr) co_await services_.files().put(*old);
}

bool Notices::request() {
  if (request_ == nullptr) return false;
  request_->signal();
  return true;
}

Co<> Notices::disable() {
  co_await put(error_, nullptr);
  co_await put(request_, nullptr);
}

}  // namespace baton::vfio
