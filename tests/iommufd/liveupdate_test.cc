// An iommufd over a kexec: preserving as the posted series does, restoring by the design target.
#include "tests/iommufd/nested_tables.h"

namespace {

using namespace baton;
using namespace baton::test;
using linux::Defect;

constexpr std::uint64_t kPage = sim::kPageSize;

// luo::Session of a session descriptor is LUO's; a handler gets it in its arguments. Here VFIO's
// part is played by a handler of the test.
class DeviceFile final : public linux::File {
 public:
  DeviceFile(iommufd::Iommufd* context, std::uint32_t device) : iommufd(context), id(device) {}
  std::string name() const override { return "device"; }
  iommufd::Iommufd* iommufd;
  std::uint32_t id;
};

class DeviceHandler final : public luo::FileHandler {
 public:
  explicit DeviceHandler(IommufdKernel& kernel) : kernel_(kernel) {
    CHECK(kernel.luo.register_handler(*this).has_value());
  }
  std::string_view compatible() const override { return "device-v1"; }
  bool can_preserve(linux::File& file) override {
    return dynamic_cast<DeviceFile*>(&file) != nullptr;
  }
  Co<linux::Result<>> preserve(luo::FileArgs& args) override {
    auto& file = static_cast<DeviceFile&>(*args.file);
    co_return file.iommufd->preserve_device(*args.session, file.id);
  }
  Co<> unpreserve(luo::FileArgs& args) override {
    auto& file = static_cast<DeviceFile&>(*args.file);
    file.iommufd->unpreserve_device(file.id);
    co_return;
  }
  Co<linux::Result<linux::File*>> retrieve(luo::FileArgs&) override {
    co_return &kernel_.services.files().add(std::make_unique<DeviceFile>(nullptr, 0));
  }
  Co<> finish(luo::FileArgs&) override { co_return; }

  int open(const Guest& guest) {
    auto file = std::make_unique<DeviceFile>(&kernel_.iommufd_of(guest.iommufd), guest.device);
    return *kernel_.process.install(kernel_.services.files().add(std::move(file)));
  }

 private:
  IommufdKernel& kernel_;
};

constexpr std::uint64_t kDeviceToken = 0x654321;

// Guest, sessions, the three files preserved. Returns the session.
Co<int> preserve_all(IommufdKernel& kernel, DeviceHandler& handler, const Guest& guest,
                     int luo_device) {
  const int session = co_await create_session(kernel, luo_device, "vm0");
  AWAIT_EQUAL(preserve_fd(kernel, session, guest.memfd, kMemfdToken), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, guest.iommufd, kIommufdToken), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, handler.open(guest), kDeviceToken), 0);
  co_return session;
}

Co<> first(IommufdKernel& kernel) {
  DeviceHandler handler(kernel);
  const int luo_device = co_await open_device(kernel);
  const Guest guest = co_await make_guest(kernel);
  CHECK(guest.device == 1);
  CHECK(guest.ioas == 2);
  CHECK(guest.hwpt == 3);
  static_cast<void>(co_await preserve_all(kernel, handler, guest, luo_device));
  const auto refused = co_await kernel.kexec_with_shutdown();
  CHECK(refused.has_value());
}

Co<> second(IommufdKernel& kernel) {
  DeviceHandler handler(kernel);
  const int luo_device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, luo_device, "vm0");
  CHECK(session >= 0);
  // Nobody else gets the device.
  const int stranger = kernel.open_iommufd();
  CHECK(kernel.iommufd_of(stranger).bind(kernel.dev).error() == Errno::kPerm);
  const int memfd = co_await retrieve_fd(kernel, session, kMemfdToken);
  CHECK(memfd >= 0);
  const int fd = co_await retrieve_fd(kernel, session, kIommufdToken);
  CHECK(fd >= 0);
  AWAIT_DESCRIPTOR(retrieve_fd(kernel, session, kDeviceToken));
  AWAIT_EQUAL(finish(kernel, session), error(Errno::kBusy));  // not reclaimed yet

  iommufd::Iommufd& iommufd = kernel.iommufd_of(fd);
  // The ids of before, with the device's kept for it.
  const std::uint32_t other = iommufd.bind(kernel.other).value();
  CHECK(other == 4);
  CHECK(iommufd.bind(kernel.dev).value() == 1);
  CHECK(iommufd.attached_hwpt(1) == 3U);
  std::uint32_t pt = 3;
  CHECK(iommufd.attach(1, pt).has_value());
  AWAIT_EQUAL(destroy(kernel, fd, 3), error(Errno::kBusy));
  AWAIT_EQUAL(mark(kernel, fd, 3, 5), 0);
  // The areas are there, and stay until the session is finished.
  auto map = map_file_cmd(2, memfd, kGuestIova);
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasMapFile, map), error(Errno::kBusy));
  AWAIT_EQUAL(unmap(kernel, fd, 2, kGuestIova, kGuestBytes), error(Errno::kBusy));
  AWAIT_EQUAL(finish(kernel, session), 0);
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasMapFile, map), error(Errno::kExist));

  // From here on it is an iommufd like any other: it could be preserved again.
  const Guest guest{memfd, fd, 1, 2, 3};
  const int again = co_await preserve_all(kernel, handler, guest, luo_device);
  AWAIT_OK(kernel.process.close(again));
  AWAIT_EQUAL(unmap(kernel, fd, 2, kGuestIova, kGuestBytes), 0);
  CHECK(iommufd.detach(1).has_value());
  AWAIT_EQUAL(destroy(kernel, fd, 3), 0);
  iommufd.unbind(1);
  iommufd.unbind(other);
  CHECK(kernel.iommufd_of(stranger).bind(kernel.dev).has_value());
}

Co<> wrong_order(IommufdKernel& kernel) {
  DeviceHandler handler(kernel);
  const int luo_device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, luo_device, "vm0");
  AWAIT_EQUAL(retrieve_fd(kernel, session, kIommufdToken), error(Errno::kNoEnt));
  AWAIT_DESCRIPTOR(retrieve_fd(kernel, session, kMemfdToken));
  AWAIT_EQUAL(retrieve_fd(kernel, session, kIommufdToken), error(Errno::kNoEnt));  // for ever
}

Co<> broken_record(IommufdKernel& kernel) {
  DeviceHandler handler(kernel);
  const int luo_device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, luo_device, "vm0");
  AWAIT_DESCRIPTOR(retrieve_fd(kernel, session, kMemfdToken));
  const int retrieved = co_await retrieve_fd(kernel, session, kIommufdToken);
  CHECK(retrieved < 0);
  AWAIT_EQUAL(finish(kernel, session), error(Errno::kBusy));
  // The device is still translated by the table of before.
  CHECK(kernel.iommu.attached(kernel.dev) != nullptr);
}

// A device on a table of user space: what that lies over has to be marked.
Co<> nested_device(IommufdKernel& kernel) {
  DeviceHandler handler(kernel);
  const int luo_device = co_await open_device(kernel);
  const Guest guest = co_await make_guest(kernel);
  const UserAddr at = scratch(kernel);
  const NestedTables tables = co_await make_tables(kernel, guest, at);
  std::uint32_t pt = tables.nested;
  CHECK(kernel.iommufd_of(guest.iommufd).attach(guest.device, pt).has_value());
  const int session = co_await create_session(kernel, luo_device, "vm0");
  AWAIT_EQUAL(preserve_fd(kernel, session, guest.memfd, kMemfdToken), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, guest.iommufd, kIommufdToken), 0);
  const int device = handler.open(guest);
  AWAIT_EQUAL(preserve_fd(kernel, session, device, kDeviceToken), error(Errno::kInval));
  AWAIT_OK(kernel.process.close(session));
  AWAIT_EQUAL(mark(kernel, guest.iommufd, tables.nested, 5), error(Errno::kInval));
  AWAIT_EQUAL(mark(kernel, guest.iommufd, tables.parent, 5), 0);
  const int again = co_await create_session(kernel, luo_device, "vm0");
  AWAIT_EQUAL(preserve_fd(kernel, again, guest.memfd, kMemfdToken), 0);
  AWAIT_EQUAL(preserve_fd(kernel, again, guest.iommufd, kIommufdToken), 0);
  AWAIT_EQUAL(preserve_fd(kernel, again, device, kDeviceToken), 0);
}

Co<> preserve_refusals(IommufdKernel& kernel) {
  DeviceHandler handler(kernel);
  const int luo_device = co_await open_device(kernel);
  const Guest guest = co_await make_guest(kernel);
  iommufd::Iommufd& iommufd = kernel.iommufd_of(guest.iommufd);
  const int device = handler.open(guest);
  const int session = co_await create_session(kernel, luo_device, "vm0");
  // A cdev before its iommufd, an iommufd before its memfd.
  AWAIT_EQUAL(preserve_fd(kernel, session, device, kDeviceToken), error(Errno::kNoEnt));
  AWAIT_EQUAL(preserve_fd(kernel, session, guest.iommufd, kIommufdToken), error(Errno::kNoEnt));
  // In another session does not count.
  const int elsewhere = co_await create_session(kernel, luo_device, "elsewhere");
  AWAIT_EQUAL(preserve_fd(kernel, elsewhere, guest.memfd, kMemfdToken), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, guest.iommufd, kIommufdToken), error(Errno::kNoEnt));
  AWAIT_OK(kernel.process.close(elsewhere));
  AWAIT_EQUAL(preserve_fd(kernel, session, guest.memfd, kMemfdToken), 0);

  // Anonymous memory, and a memfd that was not sealed when it was mapped.
  const UserAddr memory = *kernel.process.map_anonymous(kPage);
  uapi::iommu_ioas_map user;
  user.flags = uapi::kIoasMapReadable | uapi::kIoasMapFixedIova;
  user.ioas_id = guest.ioas;
  user.user_va = memory.value();
  user.length = kPage;
  AWAIT_EQUAL(request(kernel, guest.iommufd, uapi::kIommuIoasMap, user), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, guest.iommufd, kIommufdToken), error(Errno::kInval));
  AWAIT_EQUAL(unmap(kernel, guest.iommufd, guest.ioas, 0, kPage), 0);  // mutable again
  const int unsealed = co_await make_memfd(kernel, 0);
  auto map = map_file_cmd(guest.ioas, unsealed, 0);
  AWAIT_EQUAL(request(kernel, guest.iommufd, uapi::kIommuIoasMapFile, map), 0);
  CHECK(kernel.memfd.from_file(**kernel.process.file(unsealed))->add_seals(7).has_value());
  AWAIT_EQUAL(preserve_fd(kernel, session, unsealed, 5), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, guest.iommufd, kIommufdToken), error(Errno::kInval));
  AWAIT_EQUAL(unmap(kernel, guest.iommufd, guest.ioas, 0, kGuestBytes), 0);

  AWAIT_EQUAL(preserve_fd(kernel, session, guest.iommufd, kIommufdToken), 0);
  AWAIT_EQUAL(unmap(kernel, guest.iommufd, guest.ioas, kGuestIova, kGuestBytes),
              error(Errno::kBusy));
  AWAIT_EQUAL(destroy(kernel, guest.iommufd, guest.hwpt), error(Errno::kBusy));
  // A device on a HWPT without the mark, and one that is not attached.
  std::uint32_t pt = guest.ioas;
  CHECK(iommufd.attach(guest.device, pt).has_value());
  AWAIT_EQUAL(preserve_fd(kernel, session, device, kDeviceToken), error(Errno::kInval));
  CHECK(iommufd.detach(guest.device).has_value());
  AWAIT_EQUAL(preserve_fd(kernel, session, device, kDeviceToken), error(Errno::kNoEnt));
  pt = guest.hwpt;
  CHECK(iommufd.attach(guest.device, pt).has_value());
  AWAIT_EQUAL(preserve_fd(kernel, session, device, kDeviceToken), 0);
  CHECK(iommufd.detach(guest.device).error() == Errno::kBusy);
  pt = guest.ioas;
  CHECK(iommufd.attach(guest.device, pt).error() == Errno::kBusy);
  AWAIT_OK(kernel.process.close(session));
  CHECK(iommufd.detach(guest.device).has_value());
  AWAIT_EQUAL(unmap(kernel, guest.iommufd, guest.ioas, kGuestIova, kGuestBytes), 0);
}

WorldConfig with_defect(Defect defect) {
  WorldConfig config = IommufdBench::config();
  config.kernels.front().defects.add(defect);
  return config;
}

}  // namespace

TEST_CASE("A retrieved iommufd has its ids, its areas, its domains, and reclaims its device") {
  IommufdBench bench({first, second});
  std::optional<PhysAddr> before;
  std::optional<PhysAddr> after;
  unsigned faults = 0;
  bench.world.simulation().topic<host::KernelJumped>().subscribe(
      [&](const host::KernelJumped&) { before = bench.translate(kGuestIova + 0x1234); });
  bench.world.simulation().topic<iommu_vtd::Fault>().subscribe(
      [&](const iommu_vtd::Fault&) { ++faults; });
  bench.world.simulation().topic<linux::LedgerEntry>().subscribe(
      [&](const linux::LedgerEntry& entry) {
        if (entry.event == linux::LedgerEvent::kFinished) {
          after = bench.translate(kGuestIova + 0x1234);
        }
      });
  bench.world.run();
  CHECK(bench.world.panic().empty());
  CHECK(bench.world.completed(1));
  REQUIRE(before.has_value());
  CHECK(before == after);
  CHECK(faults == 0);
}

TEST_CASE("Preserving an iommufd or its device is refused in the order of the posted checks") {
  IommufdBench bench({preserve_refusals});
  bench.world.run();
  CHECK(bench.world.completed(0));
}

TEST_CASE("A device on a nested HWPT is preserved when the HWPT below is marked") {
  WorldConfig config = IommufdBench::config();
  config.kernels.resize(1);
  config.kernels[0].iommu_scalable = true;
  IommufdBench bench({nested_device}, config);
  bench.world.run();
  CHECK(bench.world.panic() == "");
  CHECK(bench.world.completed(0));
}

TEST_CASE("A session that is closed before the kexec leaves no page marked") {
  IommufdBench bench({preserve_refusals});
  std::map<std::pair<PhysAddr, linux::LedgerKind>, int> marked;
  bench.world.simulation().topic<linux::LedgerEntry>().subscribe(
      [&](const linux::LedgerEntry& entry) {
        if (entry.pages.length == 0) return;
        auto& count = marked[{entry.pages.start, entry.kind}];
        count += entry.event == linux::LedgerEvent::kPreserved     ? 1
                 : entry.event == linux::LedgerEvent::kUnpreserved ? -1
                                                                   : 0;
      });
  bench.world.run();
  std::size_t left = 0;
  for (const auto& [key, count] : marked) {
    left += count != 0 ? 1 : 0;
  }
  // What LUO and KHO themselves keep marked as long as they live.
  CHECK(marked.size() > 1000);
  CHECK(left <= 4);
}

TEST_CASE("An iommufd retrieved before its memfd is ENOENT, and stays so") {
  IommufdBench bench({first, wrong_order});
  bench.world.run();
  CHECK(bench.world.completed(1));
}

TEST_CASE("Without its record or its contents an iommufd cannot be retrieved; DMA goes on") {
  for (const Defect defect : {Defect::kIommufdSkipRecord, Defect::kIommufdSkipIoas}) {
    IommufdBench bench({first, broken_record}, with_defect(defect));
    bench.world.run();
    CHECK(bench.world.panic().empty());
    CHECK(bench.world.completed(1));
    CHECK(bench.translate(kGuestIova).has_value());
  }
}
