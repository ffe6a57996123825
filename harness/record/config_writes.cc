#include "harness/record/config_writes.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace baton::harness {

void ConfigWrites::attach(Watch& watch, const Scenario& /*scenario*/) {
  watch_ = &watch;
  clock_.attach(watch);
  sim::Simulation& simulation = watch.simulation();
  simulation.topic<host::ConfigAccess>().subscribe([this](const auto& o) { on_access(o); });
  simulation.topic<pci::ConfigWritten>().subscribe([this](const auto& o) { on_written(o); });
  simulation.topic<linux::pci::DriverProbe>().subscribe([this](const auto& o) { on_probe(o); });
}

// Those of a kernel that is gone have ended with it.
void ConfigWrites::on_probe(const linux::pci::DriverProbe& seen) {
  std::erase_if(probes_, [&seen](const linux::pci::DriverProbe& probe) {
    return probe.generation != seen.generation || probe.address == seen.address;
  });
  if (seen.begins) probes_.push_back(seen);
}

// A kernel's write is announced, then reaches its function or nobody.
void ConfigWrites::on_access(const host::ConfigAccess& seen) {
  open_ = seen.write;
  if (!seen.write) return;
  ConfigWriteRow row;
  row.time = watch_->now();
  row.generation = seen.generation;
  row.phase = clock_.phase();
  row.address = seen.address;
  row.offset = seen.offset;
  row.width = seen.width;
  row.old_value = seen.old_value;
  row.written = seen.value;
  row.new_value = seen.old_value;
  row.by = seen.by;
  for (const linux::pci::DriverProbe& probe : probes_) {
    if (probe.generation == seen.generation && probe.address == seen.address) {
      row.driver = probe.driver;
    }
  }
  rows_.push_back(std::move(row));
}

void ConfigWrites::on_written(const pci::ConfigWritten& seen) {
  if (!open_) return;
  ConfigWriteRow& row = rows_.back();
  if (row.address != seen.address || row.offset != seen.offset) return;
  open_ = false;
  row.function = seen.function.name();
  row.register_name = seen.function.config().register_name(seen.offset);
  row.old_value = seen.old_value;
  row.new_value = seen.new_value;
}

std::string writer_text(const ConfigWriteGroup& group) {
  std::string text(group.by);
  if (!group.driver.empty()) text.append(", ").append(group.driver).append(" probes");
  return text;
}

std::vector<ConfigWriteGroup> group_writes(std::span<const ConfigWriteRow> rows) {
  using Key = std::tuple<std::string_view, Sbdf, unsigned, std::string_view, unsigned, unsigned,
                         std::string_view, std::string_view>;
  std::map<Key, std::size_t> places;
  std::map<std::string_view, Sbdf> first_address;  // by function
  std::vector<ConfigWriteGroup> groups;
  for (const ConfigWriteRow& row : rows) {
    // Writes that nobody answered are told apart by their address.
    const Sbdf nobody = row.function.empty() ? row.address : Sbdf{};
    const Key key(row.function, nobody, row.generation, row.phase, row.offset, row.width, row.by,
                  row.driver);
    const auto [found, fresh] = places.try_emplace(key, groups.size());
    if (fresh) {
      groups.push_back({.function = row.function,
                        .address = row.address,
                        .generation = row.generation,
                        .phase = row.phase,
                        .offset = row.offset,
                        .register_name = row.register_name,
                        .width = row.width,
                        .by = row.by,
                        .driver = row.driver,
                        .first = row.time,
                        .last = row.time,
                        .old_value = row.old_value});
      if (!row.function.empty()) first_address.try_emplace(row.function, row.address);
    }
    ConfigWriteGroup& group = groups[found->second];
    ++group.writes;
    group.value_equal += row.value_equal() ? 1U : 0U;
    group.last = row.time;
    group.new_value = row.new_value;
  }
  const auto place = [&](const ConfigWriteGroup& group) {
    const Sbdf at = group.function.empty() ? group.address : first_address.at(group.function);
    return std::tuple(at, group.function.empty(), group.generation);
  };
  std::ranges::stable_sort(groups, {}, place);
  return groups;
}

}  // namespace baton::harness
