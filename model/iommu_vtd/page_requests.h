// Page requests: the queue in memory that software reads them from [VT-d 7.4], its event, and the
// responses that go back [VT-d 7.5].
//
// There is no time between a request and its entry in the queue. Not modelled: private data,
// supervisor and execute page requests.
#pragma once

#include <cstdint>

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/device_tlb_port.h"
#include "model/iommu_vtd/event_message.h"

namespace baton::iommu_vtd {

class PageRequests {
 public:
  PageRequests(Core& core, EventMessage& event) : core_(core), event_(event) {}

  void connect(DeviceTlbPort* port) { port_ = port; }

  // A request that the tables allow: into the queue, or answered at once when there is no room.
  void receive(const pci::PageRequest& request);
  // A request that they refuse: answered at once.
  void refuse(const pci::PageRequest& request);
  // A page group response descriptor.
  void respond(Bdf function, const pci::PageResponse& response);

  // Software cleared status bits.
  void status_written();

 private:
  bool write_entry(const pci::PageRequest& request);
  void set_status(const Field& bit);
  void answer(const pci::PageRequest& request, pci::PageResponseCode code);

  Core& core_;
  EventMessage& event_;
  DeviceTlbPort* port_ = nullptr;
};

}  // namespace baton::iommu_vtd
