// A dma-buf over device memory: what VFIO_DEVICE_FEATURE_DMA_BUF gives out and IOMMU_IOAS_MAP_FILE
// takes, so that one device can reach a BAR of another [linux drivers/vfio/pci/vfio_pci_dmabuf.c,
// include/linux/dma-buf.h].
//
// The exporter can take the memory back for good: importers give up what they have mapped, and
// nothing can be mapped any more.
//
// Not modelled: several ranges in one buffer, mmap and read of it, a revocation that ends again
// (Linux revokes while memory decode is off and during a reset, too; here the importer's tables
// stay as they are then).
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "model/linux/base/file.h"

namespace baton::linux {

class DmaBuf final : public File {
 public:
  // Has mappings of it [linux struct dma_buf_attach_ops move_notify].
  class Importer {
   public:
    virtual ~Importer() = default;
    virtual Co<> on_revoked(DmaBuf& buffer) = 0;
  };
  // Who gave it out, for as long as that one can take it back.
  class Exporter {
   public:
    virtual ~Exporter() = default;
    virtual void on_released(DmaBuf& buffer) = 0;
  };

  DmaBuf(Sbdf exporter, unsigned region, PhysAddr start, std::uint64_t bytes)
      : exporter_(exporter), region_(region), start_(start), bytes_(bytes) {}

  std::string name() const override { return "/dmabuf:"; }

  Sbdf exporter() const { return exporter_; }
  unsigned region() const { return region_; }  // its BAR
  PhysAddr start() const { return start_; }
  std::uint64_t bytes() const { return bytes_; }

  // One attachment for each mapping.
  void attach(Importer& importer) { importers_.push_back(&importer); }
  void detach(Importer& importer) {
    const auto found = std::ranges::find(importers_, &importer);
    if (found != importers_.end()) importers_.erase(found);
  }
  void set_exporter(Exporter* exporter) { owner_ = exporter; }
  bool revoked() const { return revoked_; }
  Co<> revoke() {
    revoked_ = true;
    const std::vector<Importer*> told = importers_;
    for (Importer* importer : told) co_await importer->on_revoked(*this);
  }

  Co<> release() override {
    if (owner_ != nullptr) owner_->on_released(*this);
    co_return;
  }

 private:
  Sbdf exporter_;
  unsigned region_;
  PhysAddr start_;
  std::uint64_t bytes_;
  Exporter* owner_ = nullptr;
  bool revoked_ = false;
  std::vector<Importer*> importers_;
};

}  // namespace baton::linux
