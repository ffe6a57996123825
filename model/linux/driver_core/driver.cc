#include "model/linux/driver_core/driver.h"

namespace baton::linux::pci {

Co<> Driver::shutdown(PciDev&) { co_return; }

}  // namespace baton::linux::pci
