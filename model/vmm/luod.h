// luod, the live update daemon: owns /dev/liveupdate, makes and retrieves the sessions of the VMMs,
// loads the next kernel and reboots into it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/linux/kernel/system_calls.h"
#include "model/vmm/environment.h"
#include "model/vmm/user_space.h"
#include "model/vmm/vmm.h"

namespace baton::vmm {

class Luod {
 public:
  // Both outlive it.
  Luod(Environment& environment, const UserConfig& config);

  // Starts every VM: out of its session where there is one, else a new guest.
  Co<> bring_up();
  // Carries out lines of the console, for ever.
  Co<> serve();

 private:
  struct Vm {
    std::unique_ptr<Vmm> vmm;
    int session = -1;  // luod's descriptor of an outgoing session
    bool incoming = false;
    bool carried = true;  // takes part in live updates
  };

  Co<> open_device();
  Co<> bring_up(Vm& vm);
  Co<linux::Result<int>> retrieve_session(const std::string& name);
  Co<bool> restore();
  Co<bool> finish();

  Co<bool> carry_out(std::string_view line);
  Co<bool> live_update(OnRefusal on_refusal);
  Co<bool> load_image();
  Co<bool> create_sessions();
  Co<linux::Result<>> create_session(Vm& vm);
  Co<bool> preserve(OnRefusal on_refusal);
  Co<linux::Result<>> preserve(Vm& vm);
  Co<bool> refused(Vm& vm, OnRefusal on_refusal);
  Co<bool> preserve_less(Vm& vm);
  Co<bool> kexec();
  Co<linux::Result<>> ready_for_reboot();
  Co<> cancel();
  Co<> cancel(Vm& vm);
  Co<bool> cold_reboot();

  // A list has an entry for each generation; the last is for all later ones.
  template <class Value>
  Value of_generation(const std::vector<Value>& values) const {
    const std::size_t generation = environment_.generation();
    return generation < values.size() ? values[generation] : values.back();
  }

  Environment& environment_;
  const UserConfig& config_;
  linux::Process& process_;
  linux::SystemCalls calls_;
  std::vector<Vm> vms_;
  int device_ = -1;
  linux::Errno device_error_ = linux::Errno::kNoEnt;
  bool image_loaded_ = false;
};

}  // namespace baton::vmm
