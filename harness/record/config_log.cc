#include "harness/record/config_log.h"

#include <boost/json.hpp>

namespace baton::harness {

void ConfigLog::attach(Watch& watch, const Scenario& scenario) {
  watch_ = &watch;
  clock_.attach(watch);
  out_ << boost::json::serialize(boost::json::object{{"scenario", scenario.title}}) << '\n';
  watch.simulation().topic<host::ConfigAccess>().subscribe([this](const auto& o) { on_access(o); });
}

void ConfigLog::on_access(const host::ConfigAccess& seen) {
  const pci::Function* function = watch_->machine().fabric().find(seen.address);
  boost::json::object line{
      {"time_ps", watch_->now().ps()},
      {"kernel", seen.generation},
      {"phase", clock_.phase()},
      {"address", to_string(seen.address)},
      {"offset", seen.offset},
      {"width", seen.width},
      {"register", function == nullptr ? "" : function->config().register_name(seen.offset)},
      {"access", seen.write ? "write" : "read"},
      {"value", seen.value}};
  if (seen.write) line["old"] = seen.old_value;
  line["by"] = seen.by;
  out_ << boost::json::serialize(line) << '\n';
}

}  // namespace baton::harness
