// docs/uapi.md: the requests of the user interface, their structs, and every errno with its reason.
#pragma once

#include <string>

namespace baton::harness {

std::string uapi_reference();

}  // namespace baton::harness
