// baton schema: the key table for editors and for people, and the user interface of the kernels.

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "harness/scenario/key_reference.h"
#include "harness/scenario/uapi_reference.h"

namespace baton::cli {

int schema_command(const Options& options, Output output) {
  output.data << (options.format == "markdown" ? harness::scenario_reference()
                  : options.format == "uapi"   ? harness::uapi_reference()
                                               : harness::scenario_schema());
  return kHeld;
}

}  // namespace baton::cli
