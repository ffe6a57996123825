// baton schema: the key table for editors and for people.

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "harness/scenario/key_reference.h"

namespace baton::cli {

int schema_command(const Options& options, Output output) {
  output.data << (options.format == "markdown" ? harness::scenario_reference()
                                               : harness::scenario_schema());
  return kHeld;
}

}  // namespace baton::cli
