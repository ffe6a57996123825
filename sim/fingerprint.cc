#include "sim/fingerprint.h"

#include <fmt/format.h>

#include "sim/check.h"

namespace baton::sim {

Fingerprint::Fingerprint() : state_(XXH3_createState()) {
  BATON_CHECK(state_ != nullptr, "no memory for the fingerprint");
  XXH3_128bits_reset(state_.get());
}

void Fingerprint::flush() {
  XXH3_128bits_update(state_.get(), records_.data(), used_ * sizeof(Record));
  flushed_ += used_;
  used_ = 0;
}

std::string Fingerprint::hex() const {
  std::unique_ptr<XXH3_state_t, FreeState> copy(XXH3_createState());
  BATON_CHECK(copy != nullptr, "no memory for the fingerprint");
  XXH3_copyState(copy.get(), state_.get());
  XXH3_128bits_update(copy.get(), records_.data(), used_ * sizeof(Record));
  const XXH128_hash_t hash = XXH3_128bits_digest(copy.get());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace baton::sim
