// A dma-buf over device memory: what VFIO_DEVICE_FEATURE_DMA_BUF gives out and IOMMU_IOAS_MAP_FILE
// takes, so that one device can reach a BAR of another [linux drivers/vfio/pci/vfio_pci_dmabuf.c,
// include/linux/dma-buf.h].
//
// Not modelled: attachments, several ranges in one buffer, mmap and read of it, and revocation: the
// exporter does not take a mapping back when its memory decode goes off or it is reset, so an
// importer's tables stay as they are.
#pragma once

#include <string>

#include "model/linux/base/file.h"

namespace baton::linux {

class DmaBuf final : public File {
 public:
  DmaBuf(Sbdf exporter, unsigned region, PhysAddr start, std::uint64_t bytes)
      : exporter_(exporter), region_(region), start_(start), bytes_(bytes) {}

  std::string name() const override { return "/dmabuf:"; }

  Sbdf exporter() const { return exporter_; }
  unsigned region() const { return region_; }  // its BAR
  PhysAddr start() const { return start_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  Sbdf exporter_;
  unsigned region_;
  PhysAddr start_;
  std::uint64_t bytes_;
};

}  // namespace baton::linux
