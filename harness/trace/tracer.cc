#include "harness/trace/tracer.h"

#include <algorithm>

namespace baton::harness {

Rate& Tracer::rate(std::string_view name, TrackId parent, int rank) {
  return rates_.emplace_back(counter(name, parent, rank, CounterUnit::kBytesPerSecond));
}

void Tracer::leave(sim::Time now) {
  write_counters();
  write_rates(now);
  last_ = now;
}

void Tracer::write_counters() {
  if (counters_.size() > 1) std::ranges::sort(counters_);
  for (const auto& [track, value] : counters_) writer_.count(track, last_, value);
  counters_.clear();
}

// At the end of each window, as long as something moved in it or in the one before.
void Tracer::write_rates(sim::Time until) {
  constexpr auto kPerSecond =
      static_cast<std::uint64_t>(sim::Duration::seconds(1).ps() / kWindow.ps());
  while (window_end_ <= until) {
    if (!window_used_) {
      const std::int64_t windows = (until - window_end_).ps() / kWindow.ps() + 1;
      window_end_ = window_end_ + kWindow * windows;
      return;
    }
    window_used_ = false;
    for (Rate& rate : rates_) {
      const std::uint64_t value = rate.bytes_ * kPerSecond;
      if (value != rate.last_) {
        writer_.count(rate.track_, window_end_, static_cast<std::int64_t>(value));
      }
      window_used_ = window_used_ || value != 0;
      rate.last_ = value;
      rate.bytes_ = 0;
    }
    window_end_ = window_end_ + kWindow;
  }
}

void Tracer::begin(TrackId track, std::string_view name, const TraceArgs& args, Flow flow) {
  writer_.begin(track, advance(), name, args, flow);
}

void Tracer::end(TrackId track, const TraceArgs& args) { writer_.end(track, advance(), args); }

void Tracer::instant(TrackId track, std::string_view name, const TraceArgs& args, Flow flow) {
  writer_.instant(track, advance(), name, args, flow);
}

void Tracer::change(TrackId track, std::string_view name, const TraceArgs& args) {
  close(track);
  begin(track, name, args);
}

void Tracer::close(TrackId track, const TraceArgs& args) {
  while (open(track)) end(track, args);
}

void Tracer::count(TrackId track, std::int64_t value) {
  advance();
  const auto found = std::ranges::find(counters_, track, &decltype(counters_)::value_type::first);
  if (found != counters_.end()) {
    found->second = value;
  } else {
    counters_.emplace_back(track, value);
  }
}

void Tracer::add(Rate& rate, std::uint64_t bytes) {
  advance();
  rate.bytes_ += bytes;
  window_used_ = true;
}

void Tracer::finding(TrackId track, sim::Time at, std::string_view name, const TraceArgs& args) {
  writer_.instant(track, at, name, args, {}, TraceSequence::kFindings);
}

std::string Tracer::finish() {
  const sim::Time now = advance();
  write_counters();
  return writer_.finish(now);
}

TrackId Lanes::take(Tracer& tracer) {
  const auto found = std::ranges::find_if(free_, [](const auto& lane) { return lane.second; });
  if (found != free_.end()) {
    found->second = false;
    return found->first;
  }
  const TrackId track = tracer.track(name_, parent_, rank_);
  free_.emplace(track, false);
  return track;
}

}  // namespace baton::harness
