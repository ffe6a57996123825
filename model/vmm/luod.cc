#include "model/vmm/luod.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "model/linux/uapi/liveupdate.h"
#include "model/vmm/virtual_functions.h"

namespace baton::vmm {

namespace uapi = linux::uapi;
using linux::Errno;
using linux::Result;

namespace {

constexpr std::string_view kName = "luod";

std::optional<OnRefusal> on_refusal_of(std::string_view line, OnRefusal otherwise) {
  constexpr std::string_view kKey = " on_refusal=";
  const std::size_t at = line.find(kKey);
  if (at == std::string_view::npos) {
    return otherwise;
  }
  const std::string_view value = line.substr(at + kKey.size());
  if (value == "stop") return OnRefusal::kStop;
  if (value == "go-on-without") return OnRefusal::kGoOnWithout;
  if (value == "shut-down-vm") return OnRefusal::kShutDownVm;
  return std::nullopt;
}

}  // namespace

Luod::Luod(Environment& environment, const UserConfig& config)
    : environment_(environment),
      config_(config),
      process_(environment.kernel().create_process(std::string(kName))),
      calls_(environment.kernel(), process_) {
  unsigned index = 0;
  for (const VmConfig& vm : config_.vms) {
    vms_.push_back({std::make_unique<Vmm>(environment_, vm, index++), -1, false, vm.carried});
  }
}

// Boot.

Co<> Luod::open_device() {
  const Result<int> device = co_await calls_.open("/dev/liveupdate");
  if (device) {
    device_ = *device;
  } else {
    device_error_ = device.error();
    static_cast<void>(environment_.failed(kName, "open /dev/liveupdate", device_error_));
  }
}

Co<Result<int>> Luod::retrieve_session(const std::string& name) {
  if (device_ < 0) {
    co_return linux::fail(device_error_);
  }
  uapi::LiveupdateRetrieveSession retrieve;
  retrieve.name = uapi::session_name(name);
  const auto done = co_await calls_.ioctl(device_, uapi::kLiveupdateIoctlRetrieveSession,
                                          uapi::bytes_of(retrieve));
  if (!done) {
    co_return linux::fail(done.error());
  }
  co_return retrieve.fd;
}

Co<> Luod::bring_up() {
  if (!config_.vms.empty() || config_.processes.empty()) {
    co_await open_device();
  }
  for (const PhysicalFunction& function : config_.physical_functions) {
    static_cast<void>(co_await enable_virtual_functions(environment_, calls_, function));
  }
  for (Vm& vm : vms_) {
    co_await bring_up(vm);
  }
  if (config_.auto_restore) {
    static_cast<void>(co_await restore());
    static_cast<void>(co_await finish());
  }
}

// ENOENT: nothing came over, a first boot for this VM. Any other error: something did, its devices
// may still be at work in its memory, and a second guest of the same name would be wrong.
Co<> Luod::bring_up(Vm& vm) {
  const Result<int> session = co_await retrieve_session(vm.vmm->name());
  if (!session && session.error() == Errno::kNoEnt) {
    static_cast<void>(co_await vm.vmm->start());
    co_return;
  }
  if (!session) {
    static_cast<void>(
        environment_.failed(vm.vmm->name(), "LIVEUPDATE_IOCTL_RETRIEVE_SESSION", session.error()));
    co_return;
  }
  const Result<int> given = process_.send_descriptor(*session, vm.vmm->process());
  static_cast<void>(co_await calls_.close(*session));
  if (!given) {
    static_cast<void>(environment_.failed(vm.vmm->name(), "SCM_RIGHTS", given.error()));
    co_return;
  }
  vm.vmm->give_session(*given);
  vm.incoming = true;
}

Co<bool> Luod::restore() {
  bool all = true;
  const linux::ReinjectPolicy reinject = of_generation(config_.reinject);
  for (Vm& vm : vms_) {
    if (vm.incoming && !vm.vmm->running()) {
      const Result<> restored = co_await vm.vmm->restore(reinject);
      vm.incoming = restored.has_value();
      all = all && restored;
    }
  }
  co_return all;
}

Co<bool> Luod::finish() {
  bool all = true;
  for (Vm& vm : vms_) {
    if (vm.incoming) {
      const Result<> finished = co_await vm.vmm->finish();
      vm.incoming = !finished.has_value();
      all = all && finished;
    }
  }
  co_return all;
}

// Console.

Co<> Luod::serve() {
  for (;;) {
    const std::string line = co_await environment_.kernel().console_line();
    environment_.print(sim::LogLevel::kInfo, kName, "console: {}", line);
    const bool done = co_await carry_out(line);
    environment_.print(sim::LogLevel::kInfo, kName, "{}: {}", line, done ? "done" : "not done");
    environment_.publish(OperatorAnswered{environment_.generation(), line, done});
  }
}

Co<bool> Luod::carry_out(std::string_view line) {
  const std::string_view command = line.substr(0, line.find(' '));
  const std::optional<OnRefusal> on_refusal = on_refusal_of(line, config_.on_refusal);
  bool done = false;
  if (!on_refusal) {
    static_cast<void>(environment_.failed(kName, "on_refusal", Errno::kInval));
  } else if (command == "live-update") {
    done = co_await live_update(*on_refusal);
  } else if (command == "create-session") {
    done = co_await create_sessions();
  } else if (command == "preserve") {
    done = co_await preserve(*on_refusal);
  } else if (command == "kexec") {
    done = co_await kexec();
  } else if (command == "cancel") {
    co_await cancel();
    done = true;
  } else if (command == "retrieve") {
    done = co_await restore();
  } else if (command == "finish") {
    done = co_await finish();
  } else if (command == "cold-reboot") {
    done = co_await cold_reboot();
  } else {
    static_cast<void>(environment_.failed(kName, "unknown command", Errno::kInval));
  }
  co_return done;
}

Co<bool> Luod::live_update(OnRefusal on_refusal) {
  bool done = co_await load_image();
  if (done) {
    done = co_await preserve(on_refusal);
  }
  if (done) {
    done = co_await kexec();
    if (!done) {
      co_await cancel();
    }
  }
  co_return done;
}

Co<bool> Luod::load_image() {
  if (config_.next_kernels.empty()) {
    static_cast<void>(environment_.failed(kName, "open next kernel", Errno::kNoEnt));
    co_return false;
  }
  const std::size_t last = config_.next_kernels.size() - 1;
  const KernelFile& file =
      config_.next_kernels[std::min<std::size_t>(environment_.generation(), last)];
  const Result<> loaded = co_await calls_.kexec_file_load(file.index, file.command_line);
  if (!loaded) {
    static_cast<void>(environment_.failed(kName, "kexec_file_load", loaded.error()));
    co_return false;
  }
  image_loaded_ = true;
  co_return true;
}

Co<bool> Luod::create_sessions() {
  bool all = true;
  for (Vm& vm : vms_) {
    if (vm.carried && vm.vmm->running()) {
      const Result<> created = co_await create_session(vm);
      all = all && created;
    }
  }
  co_return all;
}

Co<Result<>> Luod::create_session(Vm& vm) {
  if (vm.incoming) {
    co_return environment_.failed(kName, "previous session is not finished", Errno::kBusy);
  }
  if (vm.vmm->has_session()) {
    co_return Result<>();
  }
  uapi::LiveupdateCreateSession create;
  create.name = uapi::session_name(vm.vmm->name());
  const auto done =
      co_await calls_.ioctl(device_, uapi::kLiveupdateIoctlCreateSession, uapi::bytes_of(create));
  if (!done) {
    co_return environment_.failed(kName, "LIVEUPDATE_IOCTL_CREATE_SESSION", done.error());
  }
  vm.session = create.fd;
  const Result<int> given = process_.send_descriptor(create.fd, vm.vmm->process());
  if (!given) {
    co_return environment_.failed(kName, "SCM_RIGHTS", given.error());
  }
  vm.vmm->give_session(*given);
  co_return Result<>();
}

Co<Result<>> Luod::preserve(Vm& vm) {
  Result<> done = co_await create_session(vm);
  if (done) {
    done = co_await vm.vmm->preserve();
  }
  co_return done;
}

Co<bool> Luod::preserve(OnRefusal on_refusal) {
  for (Vm& vm : vms_) {
    if (!vm.carried || !vm.vmm->running()) {
      continue;
    }
    const Result<> preserved = co_await preserve(vm);
    if (preserved && on_refusal == OnRefusal::kGoOnWithout) {
      vm.vmm->go_on_without();  // its successor, too
    }
    if (!preserved) {
      const bool go_on = co_await refused(vm, on_refusal);
      if (!go_on) {
        co_return false;
      }
    }
  }
  co_return true;
}

// What of the VM can be preserved without what was refused. A session gives up all or nothing: each
// try has a new one.
Co<bool> Luod::preserve_less(Vm& vm) {
  for (const Carried less : {Carried::kDevices, Carried::kMemory}) {
    if (!vm.vmm->has_devices()) {
      break;
    }
    co_await cancel(vm);
    Result<> done = co_await create_session(vm);
    if (done) {
      done = co_await vm.vmm->preserve(less);
    }
    if (done) {
      vm.vmm->go_on_without();
      co_return true;
    }
  }
  co_return false;
}

// True: the live update goes on without this VM, or without what was refused of it.
Co<bool> Luod::refused(Vm& vm, OnRefusal on_refusal) {
  if (on_refusal == OnRefusal::kStop) {
    co_await cancel();
    co_return false;
  }
  if (on_refusal == OnRefusal::kGoOnWithout) {
    const bool some = co_await preserve_less(vm);
    if (some) {
      co_return true;
    }
  }
  co_await cancel(vm);
  if (on_refusal == OnRefusal::kShutDownVm) {
    co_await vm.vmm->shut_down();
  }
  co_return true;
}

Co<bool> Luod::kexec() {
  if (!image_loaded_) {
    const bool loaded = co_await load_image();
    if (!loaded) {
      co_return false;
    }
  }
  for (Vm& vm : vms_) {
    co_await vm.vmm->pause();
  }
  Result<> done = co_await ready_for_reboot();
  if (done) {
    done = co_await calls_.reboot_kexec();
    static_cast<void>(environment_.failed(kName, "reboot LINUX_REBOOT_CMD_KEXEC",
                                          done ? Errno::kIo : done.error()));
  }
  for (Vm& vm : vms_) {
    const bool dead = co_await vm.vmm->has_dead_devices();
    if (dead) {
      co_await cancel(vm);
      static_cast<void>(co_await vm.vmm->assign_again());
    }
  }
  const linux::ReinjectPolicy reinject = of_generation(config_.reinject);
  for (Vm& vm : vms_) {
    static_cast<void>(co_await vm.vmm->resume(reinject));
  }
  co_return false;
}

Co<Result<>> Luod::ready_for_reboot() {
  const bool release =
      of_generation(config_.interrupts) == linux::InterruptPolicy::kRequireDisabled;
  Result<> done;
  for (Vm& vm : vms_) {
    if (!done || !vm.vmm->has_session()) {
      continue;
    }
    done = vm.vmm->save();
    if (done && release) {
      done = co_await vm.vmm->release_interrupts();
    }
  }
  co_return done;
}

// The last close of a session undoes everything that was preserved in it.
Co<> Luod::cancel(Vm& vm) {
  if (vm.session < 0) {
    co_return;
  }
  co_await vm.vmm->close_session();
  const int session = std::exchange(vm.session, -1);
  static_cast<void>(co_await calls_.close(session));
}

Co<> Luod::cancel() {
  for (Vm& vm : vms_) {
    co_await cancel(vm);
  }
}

Co<bool> Luod::cold_reboot() {
  const Result<> done = co_await calls_.reboot_cold();
  static_cast<void>(environment_.failed(kName, "reboot LINUX_REBOOT_CMD_RESTART",
                                        done ? Errno::kIo : done.error()));
  co_return false;
}

}  // namespace baton::vmm
