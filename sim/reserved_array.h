// An array of fixed address and lazily used length: its address space is reserved at construction,
// pages of it cost something once they are touched. Growing allocates nothing and moves nothing.
// Elements start as zero bytes.
#pragma once

#include <cstddef>
#include <type_traits>

namespace baton::sim {

// Zeroed address space of the host without reserved swap; and back.
void* reserve_address_space(std::size_t bytes);
void release_address_space(void* start, std::size_t bytes);

template <class T>
class ReservedArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit ReservedArray(std::size_t length)
      : length_(length), data_(static_cast<T*>(reserve_address_space(length * sizeof(T)))) {}
  ~ReservedArray() { release_address_space(data_, length_ * sizeof(T)); }
  ReservedArray(const ReservedArray&) = delete;
  ReservedArray& operator=(const ReservedArray&) = delete;

  T& operator[](std::size_t index) { return data_[index]; }
  const T& operator[](std::size_t index) const { return data_[index]; }
  std::size_t size() const { return length_; }

 private:
  std::size_t length_;
  T* data_;
};

}  // namespace baton::sim
