// Completions of requests that go no further.
#pragma once

#include <string_view>

#include "model/pci/request.h"

namespace baton::pci {

inline Completion stopped(std::string_view where, CompletionStatus status) {
  Completion completion;
  completion.status = status;
  completion.stopped_at = where;
  return completion;
}

inline Completion unsupported(std::string_view where) {
  return stopped(where, CompletionStatus::kUnsupportedRequest);
}

}  // namespace baton::pci
