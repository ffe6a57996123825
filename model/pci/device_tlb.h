// The address translation cache of a function [PCIe 10.1.1]: translations it was given, until they
// are invalidated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "model/pci/ats.h"
#include "sim/translation_cache.h"

namespace baton::pci {

class DeviceTlb {
 public:
  // Entries, or TranslationCache::kUnbounded for one that loses nothing by itself.
  explicit DeviceTlb(std::size_t capacity = sim::TranslationCache<AtsTranslation>::kUnbounded)
      : cache_(capacity, changes_) {}

  // The translation that covers `address`; null if there is none.
  const AtsTranslation* find(std::optional<Pasid> pasid, std::uint64_t address);
  void insert(std::optional<Pasid> pasid, std::uint64_t address, const AtsTranslation& translation);
  void invalidate(const AtsInvalidation& invalidation);
  void clear() { cache_.clear(); }

  std::size_t size() const { return cache_.size(); }

 private:
  static sim::CacheKey key(std::optional<Pasid> pasid, std::uint64_t address, unsigned log2_bytes);

  std::uint64_t changes_ = 0;
  std::uint64_t sizes_ = 0;  // bit n: there may be entries of 2^n bytes
  sim::TranslationCache<AtsTranslation> cache_;
};

}  // namespace baton::pci
