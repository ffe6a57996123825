// Guest memory over a kexec: one memfd is preserved by one kernel and restored by the next, without
// devices. What is measured is the host's time and memory for it, which must grow with the number
// of folios and with nothing else: the bytes of the guest are never touched.
//
//   kho_memfd          prints a line for each size, in 2 MiB and in 4 KiB folios
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>

#include "model/kho/early_kernel.h"
#include "model/luo/luo.h"
#include "model/luo/memfd/memfd.h"
#include "sim/simulation.h"

namespace {

using namespace baton;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
constexpr const char* kCommandLine =
    "kho=on liveupdate=on kho_scratch=64M,64M,64M transparent_hugepage_shmem=";

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// What the run tells the benchmark; outlives the kernels.
struct Sheet {
  std::uint64_t bytes = 0;
  std::uint64_t record = 0;  // LUO's data of the file
  std::uint64_t folios = 0;
  std::uint64_t resident = 0;
  std::string failure;
};

class BenchKernel final : public kho::EarlyKernel {
 public:
  BenchKernel(host::KernelPort& kernel_port, const host::BootHandoff& boot_handoff, Sheet& sheet)
      : EarlyKernel(kernel_port, boot_handoff, {}),
        luo_(services, kho, handoff.command_line),
        memfds_(services, kho, luo_),
        sheet_(sheet) {}

  void start() override { port.context().spawn(body()); }

 private:
  Co<> body() {
    bring_up_memory();
    luo_.early_init();
    static_cast<void>(kho.init());
    co_await luo_.late_init();
    memfds_.init(handoff.command_line);
    if (handoff.cold) {
      co_await preserve();
    } else {
      co_await restore();
    }
    sheet_.resident = std::max(sheet_.resident, resident_bytes());
  }

  Co<> preserve() {
    luo::Memfd& memfd = *memfds_.from_file(**memfds_.create("guest"));
    const auto sized = co_await memfd.truncate(sheet_.bytes);
    luo::FileArgs args;
    args.file = &memfd;
    const auto preserved = co_await memfds_.preserve(args);
    const auto frozen = preserved ? co_await memfds_.freeze(args) : preserved;
    if (!sized || !preserved || !frozen) {
      sheet_.failure = "preserve failed";
      co_return;
    }
    sheet_.record = args.serialized_data;
    sheet_.folios = memfd.folios();
    co_await jump(handoff.command_line);
  }

  Co<> restore() {
    luo::FileArgs args;
    args.serialized_data = sheet_.record;
    const auto file = co_await memfds_.retrieve(args);
    if (!file) {
      sheet_.failure = fmt::format("restore: {}", linux::name(file.error()));
    } else if (memfds_.from_file(**file)->folios() != sheet_.folios) {
      sheet_.failure = "folios are missing";
    }
  }

  luo::Luo luo_;
  luo::MemfdSubsystem memfds_;
  Sheet& sheet_;
};

void measure(std::uint64_t gib, const char* huge) {
  Sheet sheet;
  sheet.bytes = gib * kGiB;
  const double start = seconds();
  const std::uint64_t before = resident_bytes();
  sim::Simulation simulation(1);
  host::MachineConfig config;
  config.memory = sheet.bytes + sheet.bytes / 64 + 8 * kGiB;
  host::Machine machine(simulation, config);
  machine.finish_firmware();
  machine.power_on([&](host::KernelPort& port, const host::BootHandoff& handoff,
                       std::size_t) { return std::make_unique<BenchKernel>(port, handoff, sheet); },
                   std::string(kCommandLine) + huge);
  simulation.run();
  fmt::print("{:>5} GiB  {:<11}  {:>10} folios  {:>7.3f} s  {:>6.1f} ns a folio  {:>6} MiB  {}\n",
             gib, huge, sheet.folios, seconds() - start,
             (seconds() - start) * 1e9 / static_cast<double>(sheet.folios),
             (sheet.resident - before) >> 20, sheet.failure);
}

}  // namespace

int main() {
  for (const std::uint64_t gib : {1, 10, 100, 1024}) {
    measure(gib, "within_size");
  }
  for (const std::uint64_t gib : {1, 10, 100}) {
    measure(gib, "never");
  }
  return EXIT_SUCCESS;
}
