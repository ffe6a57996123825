// Admin commands and their status codes [NVMe 1.4, 5].
#include "tests/devices/nvme/bench.h"

using namespace baton;
using namespace baton::test;
using nvme::Feature;

namespace {

constexpr std::uint64_t kData = NvmeBench::kBuffer;

SubmissionEntry identify(std::uint32_t what, std::uint32_t space = 0, std::uint64_t prp1 = kData) {
  SubmissionEntry entry = NvmeBench::command(AdminOpcode::kIdentify, what, 0, prp1);
  entry.namespace_id = space;
  return entry;
}

SubmissionEntry feature(AdminOpcode opcode, Feature id, std::uint32_t value = 0,
                        std::uint32_t more = 0) {
  return NvmeBench::command(opcode, static_cast<std::uint32_t>(id) | more, value);
}

}  // namespace

TEST_CASE("Identify describes controller, namespace and namespaces") {
  NvmeBench bench;
  bench.enable();
  sim::PhysicalMemory& ram = bench.root.ram;
  REQUIRE(bench.admin(identify(1)) == Status::kSuccess);
  CHECK(ram.load<std::uint16_t>(PhysAddr(kData)) == 0x1B36);
  CHECK(ram.load<std::uint8_t>(PhysAddr(kData + 77)) == 9);
  CHECK(ram.load<std::uint8_t>(PhysAddr(kData + 512)) == 0x66);
  CHECK(ram.load<std::uint32_t>(PhysAddr(kData + 516)) == 1);
  REQUIRE(bench.admin(identify(0, 1)) == Status::kSuccess);
  CHECK(ram.load<std::uint64_t>(PhysAddr(kData)) == (1 << 30) / 512);
  CHECK(ram.load<std::uint8_t>(PhysAddr(kData + 130)) == 9);
  REQUIRE(bench.admin(identify(2)) == Status::kSuccess);
  CHECK(ram.load<std::uint64_t>(PhysAddr(kData)) == 1);
  REQUIRE(bench.admin(identify(2, 1)) == Status::kSuccess);
  CHECK(ram.load<std::uint64_t>(PhysAddr(kData)) == 0);
  REQUIRE(bench.admin(identify(3, 1)) == Status::kSuccess);
  CHECK(ram.load<std::uint16_t>(PhysAddr(kData)) == 0x0801);
}

TEST_CASE("Identify refuses what it does not know") {
  NvmeBench bench;
  bench.enable();
  CHECK(bench.admin(identify(0, 2)) == Status::kInvalidNamespace);
  CHECK(bench.admin(identify(2, 0xFFFFFFFF)) == Status::kInvalidNamespace);
  CHECK(bench.admin(identify(3, 0)) == Status::kInvalidNamespace);
  CHECK(bench.admin(identify(0x1C)) == Status::kInvalidField);
  CHECK(bench.admin(identify(1, 0, kData + 2)) == Status::kInvalidPrpOffset);
  SubmissionEntry two = identify(1, 0, kData + 8);
  two.prp2 = kData + 0x1004;
  CHECK(bench.admin(two) == Status::kInvalidPrpOffset);
}

TEST_CASE("data that begins inside a page goes on in the page of PRP2") {
  NvmeBench bench;
  bench.enable();
  SubmissionEntry entry = identify(1, 0, kData + 4096 - 16);
  entry.prp2 = kData + 0x8000;
  REQUIRE(bench.admin(entry) == Status::kSuccess);
  CHECK(bench.root.ram.load<std::uint16_t>(PhysAddr(kData + 4096 - 16)) == 0x1B36);
  CHECK(bench.root.ram.load<std::uint8_t>(PhysAddr(kData + 0x8000 + 77 - 16)) == 9);
}

TEST_CASE("queues are created, used, deleted, in the order that keeps them consistent") {
  NvmeBench bench;
  bench.bring_up();
  CHECK(bench.io(NvmeBench::transfer(Opcode::kFlush, 0, 1, 0)) == Status::kSuccess);
  CHECK(bench.admin(NvmeBench::command(AdminOpcode::kDeleteCompletionQueue, 1)) ==
        Status::kInvalidQueueDeletion);
  CHECK(bench.admin(NvmeBench::command(AdminOpcode::kDeleteSubmissionQueue, 1)) ==
        Status::kSuccess);
  CHECK(bench.admin(NvmeBench::command(AdminOpcode::kDeleteSubmissionQueue, 1)) ==
        Status::kInvalidQueueId);
  CHECK(bench.admin(NvmeBench::command(AdminOpcode::kDeleteCompletionQueue, 1)) ==
        Status::kSuccess);
  CHECK(bench.admin(NvmeBench::command(AdminOpcode::kDeleteCompletionQueue, 1)) ==
        Status::kInvalidQueueId);
  CHECK(bench.admin(NvmeBench::command(AdminOpcode::kDeleteSubmissionQueue, 0)) ==
        Status::kInvalidQueueId);
}

TEST_CASE("Create Completion Queue refuses ids, sizes, vectors and memory that do not fit") {
  NvmeBench bench;
  bench.enable();
  CHECK(bench.create_completion(0) == Status::kInvalidQueueId);
  CHECK(bench.create_completion(5) == Status::kInvalidQueueId);
  CHECK(bench.create_completion(1, 3, 1, NvmeBench::kIoCq, 1) == Status::kInvalidQueueSize);
  CHECK(bench.create_completion(1, 3, 1, NvmeBench::kIoCq, 4097) == Status::kInvalidQueueSize);
  CHECK(bench.create_completion(1, 2) == Status::kInvalidField);
  CHECK(bench.create_completion(1, 3, 5) == Status::kInvalidInterruptVector);
  CHECK(bench.create_completion(1, 3, 1, NvmeBench::kIoCq + 4) == Status::kInvalidPrpOffset);
  CHECK(bench.create_completion() == Status::kSuccess);
  CHECK(bench.create_completion() == Status::kInvalidQueueId);
}

TEST_CASE("Create Submission Queue refuses ids, sizes, and a completion queue that is not there") {
  NvmeBench bench;
  bench.enable();
  CHECK(bench.create_submission() == Status::kCompletionQueueInvalid);
  REQUIRE(bench.create_completion() == Status::kSuccess);
  CHECK(bench.create_submission(0) == Status::kInvalidQueueId);
  CHECK(bench.create_submission(5) == Status::kInvalidQueueId);
  CHECK(bench.create_submission(1, 0) == Status::kInvalidQueueId);
  CHECK(bench.create_submission(1, 9) == Status::kInvalidQueueId);
  CHECK(bench.create_submission(1, 1, 1, NvmeBench::kIoSq, 1) == Status::kInvalidQueueSize);
  CHECK(bench.create_submission(1, 1, 0) == Status::kInvalidField);
  CHECK(bench.create_submission(1, 1, 1, NvmeBench::kIoSq + 64) == Status::kInvalidPrpOffset);
  CHECK(bench.create_submission() == Status::kSuccess);
  CHECK(bench.create_submission() == Status::kInvalidQueueId);
}

TEST_CASE("entry sizes in CC that no queue has make queues invalid") {
  NvmeBench bench;
  bench.enable(0x00000001);
  CHECK(bench.create_completion() == Status::kInvalidQueueSize);
}

TEST_CASE("the number of queues is negotiated before there are any") {
  NvmeBench bench;
  bench.enable();
  const auto set = [&](std::uint32_t value) {
    return bench.admin(feature(AdminOpcode::kSetFeatures, Feature::kNumberOfQueues, value));
  };
  CHECK(set(0x00070001) == Status::kSuccess);
  CHECK(bench.last.result == 0x00030001);
  CHECK(set(0xFFFF0000) == Status::kInvalidField);
  REQUIRE(bench.create_completion() == Status::kSuccess);
  CHECK(set(0) == Status::kCommandSequenceError);
}

TEST_CASE("features keep their value until a reset, and tell default and capabilities") {
  NvmeBench bench;
  bench.enable();
  const auto get = [&](std::uint32_t select) {
    const Status status = bench.admin(
        feature(AdminOpcode::kGetFeatures, Feature::kVolatileWriteCache, 0, select << 8));
    return status == Status::kSuccess ? bench.last.result : 0xFFFFFFFF;
  };
  CHECK(get(0) == 1);
  CHECK(bench.admin(feature(AdminOpcode::kSetFeatures, Feature::kVolatileWriteCache, 0)) ==
        Status::kSuccess);
  CHECK(get(0) == 0);
  CHECK(get(1) == 1);
  CHECK(get(3) == 4);
  CHECK(get(4) == 0xFFFFFFFF);
  CHECK(bench.admin(feature(AdminOpcode::kGetFeatures, static_cast<Feature>(3))) ==
        Status::kInvalidField);
  CHECK(bench.admin(feature(AdminOpcode::kSetFeatures, static_cast<Feature>(0x7F))) ==
        Status::kInvalidField);
  CHECK(bench.admin(feature(AdminOpcode::kSetFeatures, Feature::kArbitration, 1, 0x80000000)) ==
        Status::kFeatureNotSaveable);
  CHECK(bench.admin(feature(AdminOpcode::kSetFeatures, Feature::kPowerManagement, 1)) ==
        Status::kInvalidField);
  CHECK(bench.admin(feature(AdminOpcode::kSetFeatures, Feature::kInterruptVector, 5)) ==
        Status::kInvalidField);
}

TEST_CASE("log pages: health and firmware, no others, no offsets") {
  NvmeBench bench;
  bench.enable();
  const auto log = [&](std::uint32_t page, std::uint32_t dwords, std::uint32_t offset = 0) {
    SubmissionEntry entry =
        NvmeBench::command(AdminOpcode::kGetLogPage, (dwords - 1) << 16 | page, 0, kData);
    entry.cdw12 = offset;
    return bench.admin(entry);
  };
  CHECK(log(2, 128) == Status::kSuccess);
  CHECK(bench.root.ram.load<std::uint16_t>(PhysAddr(kData + 1)) == 313);
  CHECK(log(3, 128) == Status::kSuccess);
  CHECK(log(1, 16) == Status::kSuccess);
  CHECK(log(9, 16) == Status::kInvalidLogPage);
  CHECK(log(2, 2048) == Status::kInvalidField);
  CHECK(log(2, 16, 64) == Status::kInvalidField);
}

TEST_CASE("an unknown command, a scatter gather list, an Abort") {
  NvmeBench bench;
  bench.enable();
  CHECK(bench.admin(NvmeBench::command(static_cast<AdminOpcode>(0x7F))) == Status::kInvalidOpcode);
  SubmissionEntry entry = identify(1);
  entry.flags = 0x40;
  CHECK(bench.admin(entry) == Status::kInvalidField);
  CHECK(bench.admin(NvmeBench::command(AdminOpcode::kAbort, 1)) == Status::kSuccess);
  CHECK((bench.last.result & 1) == 1);  // not aborted
}

TEST_CASE("a wrong doorbell is told by an asynchronous event, once until its log page is read") {
  NvmeBench bench;
  bench.enable();
  for (std::uint16_t id = 100; id < 104; ++id) {
    SubmissionEntry request = NvmeBench::command(AdminOpcode::kAsynchronousEventRequest);
    request.command_id = id;
    bench.send(0, request);
  }
  SubmissionEntry fifth = NvmeBench::command(AdminOpcode::kAsynchronousEventRequest);
  fifth.command_id = 104;
  CHECK(bench.admin(fifth) == Status::kEventRequestLimit);
  bench.set_reg(0x1000 + 8, 1);  // queue 1 does not exist
  CompletionEntry event = bench.take(0);
  CHECK(event.command_id == 100);
  CHECK(event.result == 0x00010000);
  bench.set_reg(0x1000, 16);  // beyond the admin queue
  bench.run(sim::Duration::milliseconds(1));
  CHECK(bench.done.size() == 2);  // masked
  CHECK(bench.admin(NvmeBench::command(AdminOpcode::kGetLogPage, 15 << 16 | 1, 0, kData)) ==
        Status::kSuccess);
  event = bench.last.command_id == 101 ? bench.last : bench.take(0);
  CHECK(event.command_id == 101);
  CHECK(event.result == 0x00010100);
}
