// Single root I/O virtualization: the virtual functions of a physical function [PCIe 9].
//
// While VF Enable is set, NumVFs virtual functions answer on the physical function's bus, at its
// routing id + First VF Offset + (n - 1) * VF Stride, and decode their parts of the VF BARs while
// VF MSE is set. They vanish, with what they were doing, when VF Enable is cleared or the physical
// function is reset. The objects live on, hidden: hardware is not born twice.
//
// Not modelled: virtual functions on a further bus number (only those that fit on the physical
// function's own bus appear), VF migration, the time until a virtual function answers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/pci/function.h"

namespace baton::pci {

class Sriov {
 public:
  // Of this function, whose capability is at `capability`.
  Sriov(Function& physical, std::uint16_t capability);
  ~Sriov();
  Sriov(const Sriov&) = delete;
  Sriov& operator=(const Sriov&) = delete;

  // Software wrote a register of the physical function, or it was reset.
  void look();
  // The physical function captured a bus number; its virtual functions are on it too.
  void capture_bus(std::uint8_t bus);

  const Function& physical() const { return physical_; }
  // Virtual function `index`, enabled or hidden.
  Function& function(unsigned index);
  // Where it is when it appears, with the physical function at `physical`.
  Bdf routing_id(Bdf physical, unsigned index) const;

  unsigned enabled() const { return static_cast<unsigned>(present_.size()); }
  Function* virtual_function(unsigned index) const;  // from 0; null: not enabled
  bool memory_enabled() const;                       // VF MSE
  // Where BAR `bar` of virtual function `index` lies, and how much of it.
  struct Range {
    std::uint64_t first = 0;
    std::uint64_t size = 0;
  };
  std::optional<Range> range(unsigned index, unsigned bar) const;

  static constexpr unsigned kLength = 0x40;

 private:
  std::uint32_t get(unsigned offset, unsigned bytes) const;
  void make_until(unsigned index);
  void size_bars();
  // Device and function number of virtual function `index`; nullopt: on another bus number.
  std::optional<unsigned> devfn_of(unsigned index) const;
  void appear();
  void adopt();
  void vanish();

  Function& physical_;
  std::uint16_t capability_;
  std::uint32_t page_ = 0;                         // System Page Size that the BARs are sized for
  std::uint32_t control_ = 0;                      // VF Enable and VF MSE as they were acted on
  std::vector<std::unique_ptr<Function>> hidden_;  // by index; null while present
  std::vector<Function*> present_;
};

}  // namespace baton::pci
