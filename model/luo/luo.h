// The Live Update Orchestrator, generation luo-v5 [linux kernel/liveupdate/luo_core.c,
// luo_session.c, luo_file.c, luo_flb.c, v7.2].
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "model/kho/kho.h"
#include "model/linux/base/kernel_services.h"
#include "model/luo/file_handler.h"

namespace baton::luo {

class Luo {
 public:
  // Off unless the command line says liveupdate=on, and without KHO.
  Luo(linux::KernelServices& services, kho::Kho& kho, std::string_view command_line);
  ~Luo();

  // early_initcall: finds and checks the incoming blob; panics on anything but "absent" or good.
  void early_init();
  // late_initcall: outgoing state and blob. Disabled on failure.
  Co<> late_init();
  bool enabled() const;

  // Registration. EOPNOTSUPP, EINVAL, EEXIST, ENOSPC. The objects outlive the Luo.
  linux::Result<> register_handler(FileHandler& handler);
  linux::Result<> register_flb(FileHandler& handler, Flb& flb);

  // Opens /dev/liveupdate. EBUSY, EIO.
  Co<linux::Result<linux::File*>> open_device();

  // liveupdate_reboot(): freeze and serialize everything. On success no session operation ever
  // returns again.
  Co<linux::Result<>> reboot();

  // In-kernel API of handlers. token_of: ENOENT when the file is not preserved in that session.
  linux::Result<std::uint64_t> token_of(Session& session, linux::File& file);
  // New kernel: the file that was retrieved under this token: ENOENT for an unknown token and for
  // a file that nobody has retrieved yet.
  linux::Result<linux::File*> retrieved_file(Session& session, std::uint64_t token);

  // FLB in the new kernel: runs the FLB's retrieve on first use and counts the reference. ENODATA,
  // ENOENT, or the sticky error of retrieve.
  Co<linux::Result<>> get_incoming(Flb& flb);
  Co<> put_incoming(Flb& flb);
  // FLB in the old kernel: ENOENT when not preserved now.
  linux::Result<> get_outgoing(Flb& flb);

  class State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace baton::luo
