// baton schema: the key table for editors and for people, the user interface of the kernels, and
// their state machines.

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "harness/scenario/key_reference.h"
#include "harness/scenario/state_reference.h"
#include "harness/scenario/uapi_reference.h"

namespace baton::cli {

int schema_command(const Options& options, Output output) {
  output.data << (options.format == "markdown" ? harness::scenario_reference()
                  : options.format == "uapi"   ? harness::uapi_reference()
                  : options.format == "states" ? harness::state_reference()
                                               : harness::scenario_schema());
  return kHeld;
}

}  // namespace baton::cli
