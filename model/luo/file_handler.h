// What a subsystem implements to have its files preserved [linux include/linux/liveupdate.h].
#pragma once

#include <any>
#include <cstdint>
#include <string_view>

#include "model/linux/base/errno.h"
#include "model/linux/base/file.h"
#include "sim/actor.h"

namespace baton::luo {

class Session;

// struct liveupdate_file_op_args.
struct FileArgs {
  Session* session = nullptr;
  linux::File* file = nullptr;        // null in the new kernel until retrieved
  std::uint64_t serialized_data = 0;  // the handler's 64 bits, kept by LUO
  std::any private_data;              // old kernel only
  int retrieve_status = 0;            // 0 not tried, 1 done, <0 -errno; for can_finish and finish
};

class FileHandler {
 public:
  virtual ~FileHandler() = default;
  virtual std::string_view compatible() const = 0;  // at most 47 characters

  virtual bool can_preserve(linux::File& file) = 0;
  // Identity for the double-preserve check; default: the file.
  virtual const void* id(linux::File& file) { return &file; }

  // Old kernel. preserve() sets serialized_data; when it fails it leaves nothing behind.
  virtual Co<linux::Result<>> preserve(FileArgs& args) = 0;
  virtual Co<> unpreserve(FileArgs& args) = 0;
  virtual Co<linux::Result<>> freeze(FileArgs& args);  // default: success
  virtual Co<> unfreeze(FileArgs& args);               // default: nothing

  // New kernel. retrieve() returns a file with one reference, LUO's.
  virtual Co<linux::Result<linux::File*>> retrieve(FileArgs& args) = 0;
  virtual Co<bool> can_finish(FileArgs& args);  // default: true
  virtual Co<> finish(FileArgs& args) = 0;
};

// A file-lifecycle-bound object: shared state that exists while at least one file of the handlers
// it is attached to is preserved [linux kernel/liveupdate/luo_flb.c].
class Flb {
 public:
  virtual ~Flb() = default;
  virtual std::string_view compatible() const = 0;  // at most 47 characters

  // Old kernel: before the first file's preserve; after the last file's unpreserve.
  virtual Co<linux::Result<std::uint64_t>> preserve() = 0;
  virtual Co<> unpreserve(std::uint64_t data) = 0;
  // New kernel: on the first use; after the last file's finish.
  virtual Co<linux::Result<>> retrieve(std::uint64_t data) = 0;
  virtual Co<> finish() = 0;
};

}  // namespace baton::luo
