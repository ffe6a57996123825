// The controller memory buffer: a second BAR, told of by CMBLOC and CMBSZ [NVMe 1.4, 3.1.11].
#include "model/devices/nvme/nvme_config_space.h"
#include "tests/devices/nvme/bench.h"

using namespace baton;

TEST_CASE("a controller memory buffer is prefetchable memory in BAR 2 that keeps what is written") {
  constexpr std::uint64_t kBytes = std::uint64_t{1} << 20;
  sim::Simulation simulation{1};
  devices::nvme::NvmeConfig config;
  config.buffer_bytes = kBytes;
  const auto controller = devices::nvme::make_nvme(simulation, config);
  CHECK(controller->config().bar(2).size == kBytes);
  CHECK(controller->config().bar(2).prefetchable);
  const auto reg = [&](std::uint64_t offset) {
    std::uint32_t value = 0;
    controller->bar_read({0, offset}, std::as_writable_bytes(std::span(&value, 1)));
    return value;
  };
  CHECK(reg(devices::nvme::offset::kCmbloc) == 2);
  CHECK(reg(devices::nvme::offset::kCmbsz) == (kBytes >> 12) << 12);
  std::uint64_t word = 0x1122334455667788;
  controller->bar_write({2, kBytes - 8}, std::as_bytes(std::span(&word, 1)));
  word = 0;
  controller->bar_read({2, kBytes - 8}, std::as_writable_bytes(std::span(&word, 1)));
  CHECK(word == 0x1122334455667788);
}

TEST_CASE("a controller without a memory buffer says so") {
  sim::Simulation simulation{1};
  const auto controller = devices::nvme::make_nvme(simulation, {});
  CHECK(controller->config().bar(2).kind == pci::BarKind::kNone);
  std::uint32_t value = 1;
  controller->bar_read({0, devices::nvme::offset::kCmbsz},
                       std::as_writable_bytes(std::span(&value, 1)));
  CHECK(value == 0);
}
