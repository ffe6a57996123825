#include "model/vmm/user_space.h"

#include "model/vmm/environment.h"
#include "model/vmm/luod.h"
#include "model/vmm/script_processes.h"

namespace baton::vmm {

namespace {

// pid 1. All of user space lives in this frame and dies with its kernel; `config` is this boot's
// copy of what is on disk.
Co<> run_init(linux::Kernel& kernel, UserConfig config) {
  Environment environment(kernel);
  ScriptProcesses processes(environment, config);
  processes.start();
  Luod luod(environment, config);
  co_await luod.bring_up();
  co_await luod.serve();
}

}  // namespace

linux::Init make_init(const UserConfig& config) {
  return [config](linux::Kernel& kernel) { return run_init(kernel, config); };
}

}  // namespace baton::vmm
