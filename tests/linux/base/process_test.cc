// Descriptors and address spaces [linux fs/file.c, mm/mmap.c].
#include "model/linux/base/process.h"

#include <cstring>

#include "model/host/machine.h"
#include "model/linux/base/kernel_services.h"
#include "sim/simulation.h"

namespace {

using namespace baton;
using namespace baton::linux;

// Two pages of RAM behind two pages of nothing that answers.
class TestFile final : public File {
 public:
  TestFile(PhysAddr ram, PhysAddr device, int& released)
      : ram_(ram), device_(device), released_(released) {}
  std::string name() const override { return "test"; }
  Result<> map(std::uint64_t offset, std::uint64_t length, bool /*writable*/) override {
    return offset + length <= 4 * sim::kPageSize ? Result<>() : fail(Errno::kInval);
  }
  Result<MappedPage> fault(std::uint64_t offset, bool /*write*/) override {
    if (offset < 2 * sim::kPageSize) {
      return MappedPage{ram_ + offset, false};
    }
    return MappedPage{device_ + (offset - 2 * sim::kPageSize), true};
  }
  Co<> release() override {
    ++released_;
    co_return;
  }

 private:
  PhysAddr ram_;
  PhysAddr device_;
  int& released_;
};

struct World {
  World()
      : simulation(1),
        machine(simulation, machine_config()),
        port(machine, 0),
        services(port, config, {}),
        process(port, services.pages(), services.files(), "vmm") {
    machine.finish_firmware();
    services.pages().release_all(false);
  }

  static host::MachineConfig machine_config() {
    host::MachineConfig config;
    config.memory = 32 << 20;
    return config;
  }

  File& add_file() {
    const Result<PhysAddr> ram = services.pages().allocate(1, "test");
    return services.files().add(
        std::make_unique<TestFile>(*ram, PhysAddr(std::uint64_t{1} << 45), released));
  }

  void run(Co<> body) {
    services.spawn(std::move(body));
    simulation.run();
  }

  int released = 0;
  KernelConfig config;
  sim::Simulation simulation;
  host::Machine machine;
  host::KernelPort port;
  KernelServices services;
  Process process;
};

Co<> close(Process& process, int descriptor, Result<>& result) {
  result = co_await process.close(descriptor);
}

Co<> unmap(Process& process, UserAddr start, std::uint64_t length, Result<>& result) {
  result = co_await process.unmap(start, length);
}

Co<> put(FileTable& files, File& file) { co_await files.put(file); }

Co<> end(Process& process) { co_await process.exit(); }

Co<> panicking(KernelServices& services, bool& after) {
  co_await services.spend(sim::Duration::microseconds(3));
  services.panic("test");
  after = true;
}

template <class T>
Result<> store(Process& process, UserAddr to, const T& value) {
  return process.store(to, std::as_bytes(std::span<const T, 1>(&value, 1)));
}

template <class T>
Result<T> load(Process& process, UserAddr from) {
  T value{};
  const Result<> done = process.load(from, std::as_writable_bytes(std::span<T, 1>(&value, 1)));
  if (!done) {
    return fail(done.error());
  }
  return value;
}

}  // namespace

TEST_CASE("a descriptor is the lowest free number, and EBADF after close") {
  World world;
  File& file = world.add_file();
  CHECK(world.process.install(file) == 0);
  world.services.files().get(file);
  CHECK(world.process.install(file) == 1);
  Result<> result;
  world.run(close(world.process, 0, result));
  CHECK(result.has_value());
  CHECK(world.released == 0);
  CHECK(world.process.file(0).error() == Errno::kBadF);
  CHECK(world.process.file(-1).error() == Errno::kBadF);
  CHECK(world.process.file(2).error() == Errno::kBadF);
  world.services.files().get(file);
  CHECK(world.process.install(file) == 0);
  world.run(close(world.process, 5, result));
  CHECK(result.error() == Errno::kBadF);
}

TEST_CASE("a process has at most 1024 descriptors") {
  World world;
  File& file = world.add_file();
  for (int i = 0; i < kMaxDescriptors; ++i) {
    world.services.files().get(file);
    REQUIRE(world.process.install(file) == i);
  }
  CHECK(world.process.install(file).error() == Errno::kMFile);
}

TEST_CASE("a file passed to another process lives until both have closed it") {
  World world;
  Process other(world.port, world.services.pages(), world.services.files(), "luod");
  CHECK(world.process.install(world.add_file()) == 0);
  CHECK(world.process.send_descriptor(0, other) == 0);
  CHECK(world.process.send_descriptor(7, other).error() == Errno::kBadF);
  Result<> result;
  world.run(close(world.process, 0, result));
  CHECK(world.released == 0);
  CHECK(other.file(0).has_value());
  world.run(close(other, 0, result));
  CHECK(world.released == 1);
  CHECK(world.services.files().open_files() == 0);
}

TEST_CASE("anonymous memory is zero, private and faults outside") {
  World world;
  CHECK(world.process.map_anonymous(0).error() == Errno::kInval);
  const UserAddr area = *world.process.map_anonymous(5000);
  CHECK(load<std::uint64_t>(world.process, area) == 0U);
  // Across a page boundary.
  CHECK(store(world.process, area + 4092, std::uint64_t{0x1122334455667788}).has_value());
  CHECK(load<std::uint64_t>(world.process, area + 4092) == 0x1122334455667788U);
  CHECK(load<std::uint32_t>(world.process, area + 4096) == 0x11223344U);
  CHECK(load<std::uint8_t>(world.process, area + 8192).error() == Errno::kFault);
  CHECK(load<std::uint8_t>(world.process, UserAddr()).error() == Errno::kFault);
  const Result<Process::FileAt> at = world.process.file_at(area + 4096);
  REQUIRE(at.has_value());
  CHECK(at->file == nullptr);
  CHECK(world.process.file_at(UserAddr(4096)).error() == Errno::kFault);
}

TEST_CASE("a mapping shows the file, keeps it open and respects its protection") {
  World world;
  File& file = world.add_file();
  CHECK(world.process.map_file(file, 100, 4096, true).error() == Errno::kInval);
  CHECK(world.process.map_file(file, 0, 0, true).error() == Errno::kInval);
  CHECK(world.process.map_file(file, 0, 5 * 4096, true).error() == Errno::kInval);
  const UserAddr writable = *world.process.map_file(file, 0, 4 * 4096, true);
  const UserAddr read_only = *world.process.map_file(file, 4096, 4096, false);
  world.run(put(world.services.files(), file));
  CHECK(world.released == 0);
  CHECK(store(world.process, writable + 4096, std::uint32_t{7}).has_value());
  CHECK(load<std::uint32_t>(world.process, read_only) == 7U);
  CHECK(store(world.process, read_only, std::uint32_t{8}).error() == Errno::kFault);
  const Result<Process::FileAt> at = world.process.file_at(read_only + 8);
  REQUIRE(at.has_value());
  CHECK(at->file == &file);
  CHECK(at->offset == 4096 + 8);
  world.run(end(world.process));
  CHECK(world.released == 1);
}

TEST_CASE("device memory takes accesses of 1, 2, 4 or 8 bytes, naturally aligned") {
  World world;
  const UserAddr area = *world.process.map_file(world.add_file(), 0, 4 * 4096, true);
  const UserAddr device = area + 2 * 4096;
  // Nobody answers there: all ones.
  CHECK(load<std::uint32_t>(world.process, device) == UINT32_MAX);
  CHECK(load<std::uint64_t>(world.process, device + 8) == UINT64_MAX);
  CHECK(load<std::uint64_t>(world.process, device + 4).error() == Errno::kFault);
  CHECK(load<std::array<std::uint8_t, 3>>(world.process, device).error() == Errno::kFault);
  CHECK(store(world.process, device, std::uint16_t{1}).has_value());
  const std::array<std::byte, 64> line{};
  CHECK(world.process.store_64bytes(device + 64, line).has_value());
  CHECK(world.process.store_64bytes(device + 32, line).error() == Errno::kFault);
  CHECK(world.process.store_64bytes(area, line).has_value());
  CHECK(world.process.store_64bytes(UserAddr(64), line).error() == Errno::kFault);
}

TEST_CASE("unmapping the middle of an area leaves both ends") {
  World world;
  const UserAddr area = *world.process.map_anonymous(4 * 4096);
  for (std::uint64_t page = 0; page < 4; ++page) {
    CHECK(store(world.process, area + page * 4096, page + 1).has_value());
  }
  const std::uint64_t before = world.services.pages().free_pages();
  Result<> result;
  world.run(unmap(world.process, area + 4096, 2 * 4096, result));
  CHECK(result.has_value());
  CHECK(world.services.pages().free_pages() == before + 2);
  CHECK(load<std::uint64_t>(world.process, area) == 1U);
  CHECK(load<std::uint64_t>(world.process, area + 4096).error() == Errno::kFault);
  CHECK(load<std::uint64_t>(world.process, area + 2 * 4096).error() == Errno::kFault);
  CHECK(load<std::uint64_t>(world.process, area + 3 * 4096) == 4U);
  world.run(unmap(world.process, area + 1, 4096, result));
  CHECK(result.error() == Errno::kInval);
  world.run(unmap(world.process, area, 0, result));
  CHECK(result.error() == Errno::kInval);
  world.run(end(world.process));
  CHECK(world.services.pages().free_pages() == before + 4);
}

TEST_CASE("a panic halts the machine's kernel and ends the actor that raised it") {
  World world;
  std::vector<std::string> lines;
  world.simulation.log().set_sink(
      [&lines](const sim::LogLine& line) { lines.emplace_back(line.text); });
  bool after = false;
  bool panicked = false;
  world.services.spawn(panicking(world.services, after));
  world.simulation.run();
  panicked = !lines.empty() && lines.front() == "Kernel panic - not syncing: test";
  CHECK(panicked);
  CHECK_FALSE(after);
  CHECK(world.machine.halted());
}
