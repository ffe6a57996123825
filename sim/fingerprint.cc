#include "sim/fingerprint.h"

#include <fmt/format.h>

#include "sim/check.h"
#include "sim/xxh3.h"

namespace baton::sim {

Fingerprint::Fingerprint() : state_(XXH3_createState()) {
  BATON_CHECK(state_ != nullptr, "no memory for the fingerprint");
  XXH3_128bits_reset(state_.get());
}

void Fingerprint::flush() {
  // Known to be this long, which is a whole number of the hash's blocks.
  XXH3_128bits_update(state_.get(), records_.data(), sizeof(records_));
  flushed_ += records_.size();
  next_ = records_.data();
}

std::string Fingerprint::hex() const {
  std::unique_ptr<XXH3_state_t, FreeState> copy(XXH3_createState());
  BATON_CHECK(copy != nullptr, "no memory for the fingerprint");
  XXH3_copyState(copy.get(), state_.get());
  XXH3_128bits_update(copy.get(), records_.data(), used() * sizeof(Record));
  const XXH128_hash_t hash = XXH3_128bits_digest(copy.get());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace baton::sim
