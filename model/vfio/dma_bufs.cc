// Buffers over a device's BARs, and taking them back [linux drivers/vfio/pci/vfio_pci_dmabuf.c
// vfio_pci_dma_buf_move, vfio_pci_dma_buf_cleanup].
#include "model/vfio/device.h"

namespace baton::vfio {

void Device::exported(linux::DmaBuf& buffer) {
  buffer.set_exporter(this);
  dma_bufs_.push_back(&buffer);
}

void Device::on_released(linux::DmaBuf& buffer) { std::erase(dma_bufs_, &buffer); }

// They are nobody's from then on: what holds them open does not concern the device.
Co<> Device::revoke_dma_bufs() {
  while (!dma_bufs_.empty()) {
    linux::DmaBuf& buffer = *dma_bufs_.front();
    dma_bufs_.erase(dma_bufs_.begin());
    buffer.set_exporter(nullptr);
    co_await buffer.revoke();
  }
}

}  // namespace baton::vfio
