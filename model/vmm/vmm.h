// The virtual machine monitor of one VM: a process that owns guest memory (a memfd), an iommufd and
// the VFIO devices, runs the vCPU, and hands all of it to its successor through a LUO session.
//
// Its requests (preserve, pause, ...) are coroutines of the caller: luod waits for the answer, as
// it would on the VMM's control socket.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "model/linux/kernel/system_calls.h"
#include "model/vmm/environment.h"
#include "model/vmm/mapped_cpu.h"
#include "model/vmm/user_space.h"
#include "model/vmm/vcpu.h"
#include "model/vmm/vfio_device.h"
#include "model/vmm/vmm_record.h"

namespace baton::vmm {

class Vmm {
 public:
  // `index`: place of the VM in the configuration, which makes its tokens differ from all others'.
  Vmm(Environment& environment, const VmConfig& config, unsigned index);

  const std::string& name() const { return config_.name; }
  linux::Process& process() { return process_; }
  bool running() const { return running_; }

  // A new guest. When it fails the VMM has ended.
  Co<linux::Result<>> start();
  // The guest of a predecessor, out of the session: retrieved, bound, running. When it fails the
  // VMM has ended.
  Co<linux::Result<>> restore(linux::ReinjectPolicy reinject);
  // Ends the session that restore() used.
  Co<linux::Result<>> finish();

  // The session, a descriptor of this process from now on.
  void give_session(int session) { session_ = session; }
  bool has_session() const { return session_ >= 0; }
  // Puts everything into the session while the guest runs, or less of it.
  Co<linux::Result<>> preserve(Carried carried = Carried::kAll);
  bool has_devices() const { return !devices_.empty(); }
  // The successor shall go on without what it cannot take over.
  void go_on_without() { goes_on_ = true; }
  Co<> close_session();

  Co<> pause();
  // While paused: vCPU and bookkeeping into the preserved memfd.
  linux::Result<> save();
  // While paused: takes down the interrupts of the devices, unless configured to hold them.
  Co<linux::Result<>> release_interrupts();
  // The guest goes on under the same kernel.
  Co<linux::Result<>> resume(linux::ReinjectPolicy reinject);

  // After a reboot that was refused: a freeze can leave descriptors that are dead for good [posted
  // vfio v5]. Their devices have to be set up again, once no session holds them.
  Co<bool> has_dead_devices();
  Co<linux::Result<>> assign_again();

  // Ends guest and process: everything is closed.
  Co<> shut_down();

 private:
  Co<linux::Result<>> create();
  Co<linux::Result<>> create_memory();
  Co<linux::Result<>> map_memory();
  Co<linux::Result<>> create_address_space();
  // Guest memory at this place in the memfd.
  Co<linux::Result<>> map_for_devices(GuestAddr guest, std::uint64_t offset, std::uint64_t bytes);
  Co<linux::Result<>> assign_devices(bool open);
  Co<linux::Result<>> make_page_table();
  linux::Result<> write_boot_info();

  Co<linux::Result<>> retrieve();
  Co<linux::Result<>> find_devices();
  Co<linux::Result<>> retrieve_iommufd();
  Co<linux::Result<>> retrieve_devices();
  Co<linux::Result<>> take_over();
  Co<linux::Result<>> start_over();
  Co<linux::Result<int>> retrieve_file(std::uint64_t token, const char* what);
  Co<linux::Result<>> connect_first_device();
  Co<linux::Result<>> take_over_devices();
  linux::Result<> load();

  Co<linux::Result<>> preserve_file(int fd, std::uint64_t token, const char* what);
  void run_guest();
  void inject_spurious();
  Co<> enter();
  void leave_core();
  void take_core();
  PhysAddr status_page();
  std::uint64_t token(unsigned number) const { return token_base_ + number; }
  std::unexpected<linux::Errno> failed(std::string_view step, linux::Errno error);

  Environment& environment_;
  VmConfig config_;
  std::uint64_t token_base_;
  linux::Process& process_;
  linux::SystemCalls calls_;
  MappedCpu cpu_;
  Vcpu vcpu_;
  std::vector<std::unique_ptr<VfioDevice>> devices_;
  int memfd_ = -1;
  UserAddr memory_;
  int iommufd_ = -1;
  std::uint32_t ioas_id_ = 0;
  std::uint32_t hwpt_id_ = 0;
  int session_ = -1;
  bool running_ = false;
  bool interrupts_released_ = false;
  Carried carried_ = Carried::kAll;
  bool goes_on_ = false;
};

}  // namespace baton::vmm
