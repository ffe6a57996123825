// File-lifecycle-bound objects [linux kernel/liveupdate/luo_flb.c].
//
// The count of an incoming object is loaded from the page at its first use, by whom ever: a
// finished file subtracts from the true number of files also when nobody asked for the object
// before.
#include <algorithm>

#include "model/luo/state.h"

namespace baton::luo {

using linux::Errno;

FlbRecord& Luo::State::flb_of(Flb& flb) {
  for (const auto& record : flbs) {
    if (&record->flb == &flb) {
      return *record;
    }
  }
  flbs.push_back(std::make_unique<FlbRecord>(flb));
  return *flbs.back();
}

void Luo::State::flb_called(const FlbRecord& record, Callback call, bool done, std::uint64_t data) {
  auto& topic = services.port().simulation().topic<FlbCallback>();
  if (topic.active()) {
    topic.publish({services.generation(), record.flb.compatible(), call, done, data});
  }
}

Co<linux::Result<>> Luo::State::flb_preserve(FlbRecord& record) {
  const auto guard = co_await record.mutex.lock(context());
  if (record.outgoing_count == 0) {
    const auto data = co_await record.flb.preserve();
    flb_called(record, Callback::kPreserve, data.has_value(), data.value_or(0));
    if (!data) {
      co_return linux::fail(data.error());
    }
    record.outgoing_data = *data;
    static_cast<void>(record.outgoing.apply(FlbEvent::kPreserve));
  }
  ++record.outgoing_count;
  co_return linux::Result<>();
}

Co<> Luo::State::flb_unpreserve(FlbRecord& record) {
  const auto guard = co_await record.mutex.lock(context());
  if (--record.outgoing_count == 0) {
    co_await record.flb.unpreserve(record.outgoing_data);
    flb_called(record, Callback::kUnpreserve, true, record.outgoing_data);
    record.outgoing_data = 0;
    static_cast<void>(record.outgoing.apply(FlbEvent::kUnpreserve));
  }
}

Co<linux::Result<>> Luo::State::flbs_preserve(HandlerRecord& handler) {
  for (std::size_t i = 0; i < handler.flbs.size(); ++i) {
    const auto preserved = co_await flb_preserve(*handler.flbs[i]);
    if (!preserved) {
      while (i > 0) {
        co_await flb_unpreserve(*handler.flbs[--i]);
      }
      co_return preserved;
    }
  }
  co_return linux::Result<>();
}

Co<> Luo::State::flbs_unpreserve(HandlerRecord& handler) {
  for (std::size_t i = handler.flbs.size(); i > 0; --i) {
    co_await flb_unpreserve(*handler.flbs[i - 1]);
  }
}

// Finds the object in the page of the previous kernel.
linux::Result<> Luo::State::flb_load(FlbRecord& record) {
  if (record.incoming.value() == FlbState::kFinished || !have_incoming) {
    return linux::fail(Errno::kNoData);
  }
  if (record.incoming.value() != FlbState::kUnused) {
    return {};
  }
  const auto page_header = ram().load<abi::FlbPageHeader>(incoming_flb_page);
  const auto count = std::min<std::uint64_t>(page_header.count, abi::kMostFlbs);
  for (std::uint64_t i = 0; i < count; ++i) {
    abi::FlbEntry entry;
    ram().read(incoming_flb_page + sizeof(page_header) + i * sizeof(entry),
               std::as_writable_bytes(std::span(&entry, 1)));
    if (abi::text_of(entry.compatible) == record.flb.compatible()) {
      record.incoming_data = entry.data;
      record.incoming_count = entry.count;
      return record.incoming.apply(FlbEvent::kFound);
    }
  }
  return linux::fail(Errno::kNoEnt);
}

Co<linux::Result<>> Luo::State::flb_get(FlbRecord& record) {
  const auto guard = co_await record.mutex.lock(context());
  if (const auto loaded = flb_load(record); !loaded) {
    co_return loaded;
  }
  if (record.retrieve_error) {
    co_return linux::fail(*record.retrieve_error);
  }
  if (record.incoming.value() == FlbState::kUnretrieved) {
    const auto retrieved = co_await record.flb.retrieve(record.incoming_data);
    flb_called(record, Callback::kRetrieve, retrieved.has_value(), record.incoming_data);
    if (!retrieved) {
      record.retrieve_error = retrieved.error();
      static_cast<void>(record.incoming.apply(FlbEvent::kRetrieveError));
      co_return retrieved;
    }
    static_cast<void>(record.incoming.apply(FlbEvent::kRetrieve));
  }
  ++record.incoming_count;
  co_return linux::Result<>();
}

Co<> Luo::State::flb_put(FlbRecord& record) {
  const auto guard = co_await record.mutex.lock(context());
  if (!flb_load(record) || record.incoming_count == 0 || --record.incoming_count > 0) {
    co_return;
  }
  if (record.incoming.value() == FlbState::kUnretrieved) {
    const auto retrieved = co_await record.flb.retrieve(record.incoming_data);
    flb_called(record, Callback::kRetrieve, retrieved.has_value(), record.incoming_data);
    if (!retrieved) {
      record.retrieve_error = retrieved.error();
      static_cast<void>(record.incoming.apply(FlbEvent::kRetrieveError));
    } else {
      static_cast<void>(record.incoming.apply(FlbEvent::kRetrieve));
    }
  }
  if (record.incoming.value() == FlbState::kRetrieved) {
    co_await record.flb.finish();
    flb_called(record, Callback::kFinish, true, record.incoming_data);
    static_cast<void>(record.incoming.apply(FlbEvent::kFinish));
  }
}

// Cannot fail: the page was made at boot and holds the most FLBs that can be registered.
void Luo::State::flb_serialize() {
  abi::FlbPageHeader page_header;
  for (const FlbRecord* record : registered_flbs) {
    if (record->outgoing_count == 0) {
      continue;
    }
    abi::FlbEntry entry;
    entry.compatible = abi::compatible(record->flb.compatible());
    entry.data = record->outgoing_data;
    entry.count = record->outgoing_count;
    ram().write(flb_page + sizeof(page_header) + page_header.count * sizeof(entry),
                std::as_bytes(std::span(&entry, 1)));
    ++page_header.count;
  }
  ram().store(flb_page, page_header);
}

}  // namespace baton::luo
