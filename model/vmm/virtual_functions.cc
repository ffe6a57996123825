#include "model/vmm/virtual_functions.h"

#include <fmt/format.h>

namespace baton::vmm {

using linux::Result;

namespace {

constexpr std::string_view kInit = "init";

}  // namespace

Co<Result<>> enable_virtual_functions(Environment& environment, linux::SystemCalls& calls,
                                      PhysicalFunction function) {
  const std::string name = to_string(function.address);
  const std::string folder = fmt::format("/sys/bus/pci/devices/{}/", name);
  const Result<> chosen = co_await calls.write_file(folder + "driver_override", "pci-pf-stub");
  if (!chosen) {
    co_return environment.failed(kInit, "write driver_override", chosen.error());
  }
  const Result<> bound = co_await calls.write_file("/sys/bus/pci/drivers/pci-pf-stub/bind", name);
  if (!bound) {
    co_return environment.failed(kInit, "write drivers/pci-pf-stub/bind", bound.error());
  }
  const std::string wanted = fmt::format("{}", function.virtual_functions);
  const Result<std::string> there = co_await calls.read_file(folder + "sriov_numvfs");
  if (!there) {
    co_return environment.failed(kInit, "read sriov_numvfs", there.error());
  }
  if (there->substr(0, there->find('\n')) == wanted) {
    co_return Result<>();
  }
  const Result<> enabled = co_await calls.write_file(folder + "sriov_numvfs", wanted);
  if (!enabled) {
    co_return environment.failed(kInit, "write sriov_numvfs", enabled.error());
  }
  co_return Result<>();
}

}  // namespace baton::vmm
