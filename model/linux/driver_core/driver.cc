#include "model/linux/driver_core/driver.h"

namespace baton::linux::pci {

Co<> Driver::shutdown(PciDev&) { co_return; }

Co<Result<>> Driver::sriov_configure(PciDev&, unsigned) { co_return fail(Errno::kNoEnt); }

}  // namespace baton::linux::pci
