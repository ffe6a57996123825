// How each row of the errno table is provoked: where, and by which calls of a process; those that
// shall fail say so themselves.
#pragma once

#include <string_view>

namespace baton::test {

struct Provocation {
  std::string_view call;
  std::string_view error;
  std::string_view when;
  std::string_view setup;  // of errno_rows_test.cc
  std::string_view calls;  // one a line
};

inline constexpr Provocation kProvocations[] = {
    {"open /dev/liveupdate", "ENOENT", "live update is off: there is no such device", "off",
     "open: /dev/liveupdate, fails: ENOENT\n"},
    {"open /dev/liveupdate", "EBUSY", "another open file of the device exists", "plain",
     "open: /dev/liveupdate, as: l\n"
     "open: /dev/liveupdate, fails: EBUSY\n"},
    {"open /dev/liveupdate", "EIO",
     "what the previous kernel handed over cannot be read, now and at every later open",
     "nohandler",
     "open: /dev/liveupdate, fails: EIO\n"
     "open: /dev/liveupdate, fails: EIO\n"},
    {"LIVEUPDATE_IOCTL_CREATE_SESSION", "EFAULT", "not even the size can be read", "luo",
     "ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: s, argument: unmapped, fails: "
     "EFAULT\n"},
    {"LIVEUPDATE_IOCTL_CREATE_SESSION", "ENOTTY",
     "the number is right, its type, direction or size bits are not", "luo",
     "ioctl: 0x4048ba00, on: luo, size: 72, fails: ENOTTY\n"},
    {"LIVEUPDATE_IOCTL_CREATE_SESSION", "EINVAL", "size is less than 72", "luo",
     "ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: s, size: 71, fails: EINVAL\n"},
    {"LIVEUPDATE_IOCTL_CREATE_SESSION", "E2BIG", "a byte behind the 72 is not zero", "luo",
     "ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: s, size: 73, tail: 1, fails: E2BIG\n"},
    {"LIVEUPDATE_IOCTL_CREATE_SESSION", "EMFILE", "no descriptor is free", "luo",
     "setrlimit: RLIMIT_NOFILE, value: 1\n"
     "ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: s, fails: EMFILE\n"},
    {"LIVEUPDATE_IOCTL_CREATE_SESSION", "EINVAL",
     "name is empty, or does not end within its 64 bytes", "luo",
     "ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: \"\", fails: EINVAL\n"
     "ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: "
     "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn, fails: EINVAL\n"},
    {"LIVEUPDATE_IOCTL_CREATE_SESSION", "EEXIST", "another outgoing session has the name", "luo",
     "ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: s, as: s\n"
     "ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: s, fails: EEXIST\n"},
    {"LIVEUPDATE_IOCTL_CREATE_SESSION", "EFAULT",
     "the answer cannot be written; the session is destroyed", "luo",
     "ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: s, argument: read-only, fails: "
     "EFAULT\n"
     "ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: s, as: s\n"},
    {"LIVEUPDATE_IOCTL_RETRIEVE_SESSION", "EFAULT", "not even the size can be read", "luo",
     "ioctl: LIVEUPDATE_IOCTL_RETRIEVE_SESSION, on: luo, name: s, argument: unmapped, fails: "
     "EFAULT\n"},
    {"LIVEUPDATE_IOCTL_RETRIEVE_SESSION", "ENOTTY",
     "the number is right, its type, direction or size bits are not", "luo",
     "ioctl: 0x4048ba01, on: luo, size: 72, fails: ENOTTY\n"},
    {"LIVEUPDATE_IOCTL_RETRIEVE_SESSION", "EINVAL", "size is less than 72", "luo",
     "ioctl: LIVEUPDATE_IOCTL_RETRIEVE_SESSION, on: luo, name: s, size: 71, fails: EINVAL\n"},
    {"LIVEUPDATE_IOCTL_RETRIEVE_SESSION", "E2BIG", "a byte behind the 72 is not zero", "luo",
     "ioctl: LIVEUPDATE_IOCTL_RETRIEVE_SESSION, on: luo, name: s, size: 73, tail: 1, fails: "
     "E2BIG\n"},
    {"LIVEUPDATE_IOCTL_RETRIEVE_SESSION", "EMFILE", "no descriptor is free", "luo",
     "setrlimit: RLIMIT_NOFILE, value: 1\n"
     "ioctl: LIVEUPDATE_IOCTL_RETRIEVE_SESSION, on: luo, name: s, fails: EMFILE\n"},
    {"LIVEUPDATE_IOCTL_RETRIEVE_SESSION", "ENOENT",
     "no session of that name came from the previous kernel", "heir",
     "ioctl: LIVEUPDATE_IOCTL_RETRIEVE_SESSION, on: luo, name: t, fails: ENOENT\n"},
    {"LIVEUPDATE_IOCTL_RETRIEVE_SESSION", "EINVAL",
     "it is retrieved already, finished, or an orphan", "heir",
     "ioctl: LIVEUPDATE_IOCTL_RETRIEVE_SESSION, on: luo, name: s, as: s\n"
     "ioctl: LIVEUPDATE_IOCTL_RETRIEVE_SESSION, on: luo, name: s, fails: EINVAL\n"},
    {"LIVEUPDATE_IOCTL_RETRIEVE_SESSION", "EFAULT",
     "the answer cannot be written; the session is finished", "heir",
     "ioctl: LIVEUPDATE_IOCTL_RETRIEVE_SESSION, on: luo, name: s, argument: read-only, fails: "
     "EFAULT\n"
     "ioctl: LIVEUPDATE_IOCTL_RETRIEVE_SESSION, on: luo, name: s, fails: ENOENT\n"},
    {"any request on /dev/liveupdate", "EINVAL", "its number is above RETRIEVE_SESSION", "luo",
     "ioctl: 0xBA02, on: luo, size: 72, fails: EINVAL\n"},
    {"any request on a session", "EINVAL", "its number is not that of a row below", "session",
     "ioctl: 0xBA3F, on: s, size: 16, fails: EINVAL\n"
     "ioctl: 0xBA44, on: s, size: 16, fails: EINVAL\n"},
    {"LIVEUPDATE_SESSION_PRESERVE_FD", "EFAULT", "not even the size can be read", "session",
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: luo, token: 1, argument: unmapped, fails: "
     "EFAULT\n"},
    {"LIVEUPDATE_SESSION_PRESERVE_FD", "ENOTTY",
     "the number is right, its type, direction or size bits are not", "session",
     "ioctl: 0x4000ba40, on: s, size: 16, fails: ENOTTY\n"},
    {"LIVEUPDATE_SESSION_PRESERVE_FD", "EINVAL", "the session came from the previous kernel",
     "incoming",
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: luo, token: 1, fails: EINVAL\n"},
    {"LIVEUPDATE_SESSION_PRESERVE_FD", "EINVAL", "size is less than 16", "session",
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: luo, token: 1, size: 15, fails: EINVAL\n"},
    {"LIVEUPDATE_SESSION_PRESERVE_FD", "E2BIG", "a byte behind the 16 is not zero", "session",
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: luo, token: 1, size: 24, tail: 1, fails: "
     "E2BIG\n"},
    {"LIVEUPDATE_SESSION_PRESERVE_FD", "EEXIST", "the session has a file with that token",
     "session",
     "memfd_create: m, as: m\n"
     "memfd_create: n, as: n\n"
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: m, token: 1\n"
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: n, token: 1, fails: EEXIST\n"},
    {"LIVEUPDATE_SESSION_PRESERVE_FD", "EBADF", "fd is no open descriptor", "session",
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: 99, token: 1, fails: EBADF\n"},
    {"LIVEUPDATE_SESSION_PRESERVE_FD", "ENOENT", "no handler takes the file", "session",
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: luo, token: 1, fails: ENOENT\n"},
    {"LIVEUPDATE_SESSION_PRESERVE_FD", "EBUSY", "the file is in a session already", "session",
     "memfd_create: m, as: m\n"
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: m, token: 1\n"
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: m, token: 2, fails: EBUSY\n"},
    {"LIVEUPDATE_SESSION_PRESERVE_FD", "EFAULT",
     "the answer cannot be written; the file is given up again", "session",
     "memfd_create: m, as: m\n"
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: m, token: 1, argument: read-only, fails: "
     "EFAULT\n"
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: m, token: 1\n"},
    {"LIVEUPDATE_SESSION_RETRIEVE_FD", "EFAULT", "not even the size can be read", "incoming",
     "ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 1, argument: unmapped, fails: EFAULT\n"},
    {"LIVEUPDATE_SESSION_RETRIEVE_FD", "ENOTTY",
     "the number is right, its type, direction or size bits are not", "incoming",
     "ioctl: 0x4000ba41, on: s, size: 16, fails: ENOTTY\n"},
    {"LIVEUPDATE_SESSION_RETRIEVE_FD", "EINVAL", "this kernel made the session", "session",
     "ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 1, fails: EINVAL\n"},
    {"LIVEUPDATE_SESSION_RETRIEVE_FD", "EINVAL", "size is less than 16", "incoming",
     "ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 1, size: 15, fails: EINVAL\n"},
    {"LIVEUPDATE_SESSION_RETRIEVE_FD", "E2BIG", "a byte behind the 16 is not zero", "incoming",
     "ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 1, size: 24, tail: 1, fails: E2BIG\n"},
    {"LIVEUPDATE_SESSION_RETRIEVE_FD", "EMFILE", "no descriptor is free", "incoming",
     "setrlimit: RLIMIT_NOFILE, value: 2\n"
     "ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 1, fails: EMFILE\n"},
    {"LIVEUPDATE_SESSION_RETRIEVE_FD", "ENOENT",
     "the session has no file with that token, or is finished", "incoming",
     "ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 2, fails: ENOENT\n"},
    {"LIVEUPDATE_SESSION_RETRIEVE_FD", "EFAULT",
     "the answer cannot be written; the file stays retrieved", "incoming",
     "ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 1, argument: read-only, fails: EFAULT\n"
     "ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 1, as: m\n"},
    {"LIVEUPDATE_SESSION_FINISH", "EFAULT", "not even the size can be read", "incoming",
     "ioctl: LIVEUPDATE_SESSION_FINISH, on: s, argument: unmapped, fails: EFAULT\n"},
    {"LIVEUPDATE_SESSION_FINISH", "ENOTTY",
     "the number is right, its type, direction or size bits are not", "incoming",
     "ioctl: 0x4000ba42, on: s, size: 8, fails: ENOTTY\n"},
    {"LIVEUPDATE_SESSION_FINISH", "EINVAL", "this kernel made the session", "session",
     "ioctl: LIVEUPDATE_SESSION_FINISH, on: s, fails: EINVAL\n"},
    {"LIVEUPDATE_SESSION_FINISH", "EINVAL", "size is less than 8", "incoming",
     "ioctl: LIVEUPDATE_SESSION_FINISH, on: s, size: 7, fails: EINVAL\n"},
    {"LIVEUPDATE_SESSION_FINISH", "E2BIG", "a byte behind the 8 is not zero", "incoming",
     "ioctl: LIVEUPDATE_SESSION_FINISH, on: s, size: 16, tail: 1, fails: E2BIG\n"},
    {"LIVEUPDATE_SESSION_FINISH", "EINVAL", "reserved is not zero", "incoming",
     "ioctl: LIVEUPDATE_SESSION_FINISH, on: s, reserved: 1, fails: EINVAL\n"},
    {"LIVEUPDATE_SESSION_FINISH", "EBUSY", "a file cannot be finished yet; nothing is changed",
     "vfio_heir", "ioctl: LIVEUPDATE_SESSION_FINISH, on: s, fails: EBUSY\n"},
    {"LIVEUPDATE_SESSION_GET_NAME", "EFAULT", "not even the size can be read", "session",
     "ioctl: LIVEUPDATE_SESSION_GET_NAME, on: s, argument: unmapped, fails: EFAULT\n"},
    {"LIVEUPDATE_SESSION_GET_NAME", "ENOTTY",
     "the number is right, its type, direction or size bits are not", "session",
     "ioctl: 0x4000ba43, on: s, size: 72, fails: ENOTTY\n"},
    {"LIVEUPDATE_SESSION_GET_NAME", "EINVAL", "size is less than 72", "session",
     "ioctl: LIVEUPDATE_SESSION_GET_NAME, on: s, size: 71, fails: EINVAL\n"},
    {"LIVEUPDATE_SESSION_GET_NAME", "E2BIG", "a byte behind the 72 is not zero", "session",
     "ioctl: LIVEUPDATE_SESSION_GET_NAME, on: s, size: 80, tail: 1, fails: E2BIG\n"},
    {"LIVEUPDATE_SESSION_GET_NAME", "EFAULT", "the answer cannot be written", "session",
     "ioctl: LIVEUPDATE_SESSION_GET_NAME, on: s, argument: read-only, fails: EFAULT\n"},
    {"any request on /dev/iommu", "ENOTTY", "there is no such request", "iommufd",
     "ioctl: 0x3BFF, on: iommufd, size: 8, fails: ENOTTY\n"},
    {"any request on /dev/iommu", "EFAULT", "the struct, or its size, cannot be read", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, argument: unmapped, fails: EFAULT\n"},
    {"any request on /dev/iommu", "EINVAL", "size is less than the struct had at first", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, size: 4, fails: EINVAL\n"},
    {"any request on /dev/iommu", "E2BIG", "a byte behind what the kernel knows is not zero",
     "iommufd", "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, size: 16, tail: 1, fails: E2BIG\n"},
    {"IOMMU_DESTROY", "ENOENT", "no such object", "iommufd",
     "ioctl: IOMMU_DESTROY, on: iommufd, id: 77, fails: ENOENT\n"},
    {"IOMMU_DESTROY", "EBUSY", "another object uses it", "vfio",
     "ioctl: IOMMU_DESTROY, on: iommufd, id: ioas, fails: EBUSY\n"},
    {"IOMMU_IOAS_ALLOC", "EOPNOTSUPP", "flags is not zero", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, flags: 1, fails: EOPNOTSUPP\n"},
    {"IOMMU_IOAS_IOVA_RANGES", "EOPNOTSUPP", "reserved is not zero", "iommufd",
     "ioctl: IOMMU_IOAS_IOVA_RANGES, on: iommufd, ioas_id: 1, reserved: 1, fails: EOPNOTSUPP\n"},
    {"IOMMU_IOAS_IOVA_RANGES", "ENOENT", "no such IOAS", "iommufd",
     "ioctl: IOMMU_IOAS_IOVA_RANGES, on: iommufd, ioas_id: 77, fails: ENOENT\n"},
    {"IOMMU_IOAS_IOVA_RANGES", "EMSGSIZE", "more ranges than num_iovas", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "ioctl: IOMMU_IOAS_IOVA_RANGES, on: iommufd, ioas_id: ioas, num_iovas: 0, fails: EMSGSIZE\n"},
    {"IOMMU_IOAS_IOVA_RANGES", "EFAULT", "allowed_iovas cannot be written", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "ioctl: IOMMU_IOAS_IOVA_RANGES, on: iommufd, ioas_id: ioas, num_iovas: 1, allowed_iovas: "
     "4096, fails: EFAULT\n"},
    {"IOMMU_IOAS_MAP", "EOPNOTSUPP", "unknown flags", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "mmap: anonymous, length: 8KiB, as: p\n"
     "memfd_create: m, as: m\n"
     "ftruncate: m, length: 8KiB\n"
     "ioctl: IOMMU_IOAS_MAP, on: iommufd, flags: 0x87, ioas_id: ioas, length: 4096, user_va: p, "
     "fails: EOPNOTSUPP\n"},
    {"IOMMU_IOAS_MAP", "EINVAL", "neither READABLE nor WRITEABLE", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "mmap: anonymous, length: 8KiB, as: p\n"
     "memfd_create: m, as: m\n"
     "ftruncate: m, length: 8KiB\n"
     "ioctl: IOMMU_IOAS_MAP, on: iommufd, flags: 1, ioas_id: ioas, length: 4096, user_va: p, "
     "fails: EINVAL\n"},
    {"IOMMU_IOAS_MAP", "ENOENT", "no such IOAS", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "mmap: anonymous, length: 8KiB, as: p\n"
     "memfd_create: m, as: m\n"
     "ftruncate: m, length: 8KiB\n"
     "ioctl: IOMMU_IOAS_MAP, on: iommufd, flags: 7, ioas_id: 77, length: 4096, user_va: p, fails: "
     "ENOENT\n"},
    {"IOMMU_IOAS_MAP", "EINVAL", "length is zero or no multiple of a page", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "mmap: anonymous, length: 8KiB, as: p\n"
     "memfd_create: m, as: m\n"
     "ftruncate: m, length: 8KiB\n"
     "ioctl: IOMMU_IOAS_MAP, on: iommufd, flags: 7, ioas_id: ioas, length: 100, user_va: p, fails: "
     "EINVAL\n"},
    {"IOMMU_IOAS_MAP", "EEXIST", "something is mapped there", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "mmap: anonymous, length: 8KiB, as: p\n"
     "memfd_create: m, as: m\n"
     "ftruncate: m, length: 8KiB\n"
     "ioctl: IOMMU_IOAS_MAP, on: iommufd, flags: 7, ioas_id: ioas, iova: 4096, length: 4096, "
     "user_va: p\n"
     "ioctl: IOMMU_IOAS_MAP, on: iommufd, flags: 7, ioas_id: ioas, iova: 4096, length: 4096, "
     "user_va: p, fails: EEXIST\n"},
    {"IOMMU_IOAS_MAP_FILE", "EOPNOTSUPP", "unknown flags", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "mmap: anonymous, length: 8KiB, as: p\n"
     "memfd_create: m, as: m\n"
     "ftruncate: m, length: 8KiB\n"
     "ioctl: IOMMU_IOAS_MAP_FILE, on: iommufd, flags: 0x87, ioas_id: ioas, length: 4096, fd: m, "
     "fails: EOPNOTSUPP\n"},
    {"IOMMU_IOAS_MAP_FILE", "EINVAL", "neither READABLE nor WRITEABLE", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "mmap: anonymous, length: 8KiB, as: p\n"
     "memfd_create: m, as: m\n"
     "ftruncate: m, length: 8KiB\n"
     "ioctl: IOMMU_IOAS_MAP_FILE, on: iommufd, flags: 1, ioas_id: ioas, length: 4096, fd: m, "
     "fails: EINVAL\n"},
    {"IOMMU_IOAS_MAP_FILE", "ENOENT", "no such IOAS", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "mmap: anonymous, length: 8KiB, as: p\n"
     "memfd_create: m, as: m\n"
     "ftruncate: m, length: 8KiB\n"
     "ioctl: IOMMU_IOAS_MAP_FILE, on: iommufd, flags: 7, ioas_id: 77, length: 4096, fd: m, fails: "
     "ENOENT\n"},
    {"IOMMU_IOAS_MAP_FILE", "EINVAL", "length is zero or no multiple of a page", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "mmap: anonymous, length: 8KiB, as: p\n"
     "memfd_create: m, as: m\n"
     "ftruncate: m, length: 8KiB\n"
     "ioctl: IOMMU_IOAS_MAP_FILE, on: iommufd, flags: 7, ioas_id: ioas, length: 100, fd: m, fails: "
     "EINVAL\n"},
    {"IOMMU_IOAS_MAP_FILE", "EEXIST", "something is mapped there", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "mmap: anonymous, length: 8KiB, as: p\n"
     "memfd_create: m, as: m\n"
     "ftruncate: m, length: 8KiB\n"
     "ioctl: IOMMU_IOAS_MAP_FILE, on: iommufd, flags: 7, ioas_id: ioas, iova: 4096, length: 4096, "
     "fd: m\n"
     "ioctl: IOMMU_IOAS_MAP_FILE, on: iommufd, flags: 7, ioas_id: ioas, iova: 4096, length: 4096, "
     "fd: m, fails: EEXIST\n"},
    {"IOMMU_IOAS_MAP_FILE", "EBADF", "fd is no open descriptor", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "ioctl: IOMMU_IOAS_MAP_FILE, on: iommufd, flags: 7, ioas_id: ioas, length: 4096, fd: 99, "
     "fails: EBADF\n"},
    {"IOMMU_IOAS_MAP_FILE", "EINVAL", "fd is neither a memfd nor a dma-buf", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "ioctl: IOMMU_IOAS_MAP_FILE, on: iommufd, flags: 7, ioas_id: ioas, length: 4096, fd: iommufd, "
     "fails: EINVAL\n"},
    {"IOMMU_IOAS_MAP_FILE", "EBUSY", "the IOAS is preserved", "vfio_preserved",
     "ioctl: IOMMU_IOAS_MAP_FILE, on: iommufd, flags: 7, ioas_id: ioas, iova: 0x200000, length: "
     "4096, fd: memory, fails: EBUSY\n"},
    {"IOMMU_IOAS_UNMAP", "ENOENT", "no such IOAS, or nothing is mapped there", "iommufd",
     "ioctl: IOMMU_IOAS_UNMAP, on: iommufd, ioas_id: 77, length: 4096, fails: ENOENT\n"
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "ioctl: IOMMU_IOAS_UNMAP, on: iommufd, ioas_id: ioas, iova: 4096, length: 4096, fails: "
     "ENOENT\n"},
    {"IOMMU_IOAS_UNMAP", "EINVAL", "length is zero", "iommufd",
     "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
     "ioctl: IOMMU_IOAS_UNMAP, on: iommufd, ioas_id: ioas, iova: 4096, fails: EINVAL\n"},
    {"IOMMU_IOAS_UNMAP", "EBUSY", "the IOAS is preserved", "vfio_preserved",
     "ioctl: IOMMU_IOAS_UNMAP, on: iommufd, ioas_id: ioas, iova: 0x100000, length: 64KiB, fails: "
     "EBUSY\n"},
    {"IOMMU_HWPT_ALLOC", "EOPNOTSUPP",
     "reserved is not zero, or flags ask for what the unit cannot do", "vfio",
     "ioctl: IOMMU_HWPT_ALLOC, on: iommufd, dev_id: device, pt_id: ioas, reserved: 1, fails: "
     "EOPNOTSUPP\n"
     "ioctl: IOMMU_HWPT_ALLOC, on: iommufd, dev_id: device, pt_id: ioas, flags: 1, fails: "
     "EOPNOTSUPP\n"},
    {"IOMMU_HWPT_ALLOC", "EINVAL", "data without a type, or pt_id is no IOAS", "vfio",
     "ioctl: IOMMU_HWPT_ALLOC, on: iommufd, dev_id: device, pt_id: ioas, data_len: 8, fails: "
     "EINVAL\n"
     "ioctl: IOMMU_HWPT_ALLOC, on: iommufd, dev_id: device, pt_id: 77, fails: EINVAL\n"},
    {"IOMMU_HWPT_ALLOC", "EINVAL", "pt_id is a HWPT that nothing may lie over", "vfio",
     "ioctl: IOMMU_HWPT_ALLOC, on: iommufd, dev_id: device, pt_id: hwpt, data_type: 1, data_len: "
     "24, fails: EINVAL\n"},
    {"IOMMU_GET_HW_INFO", "EOPNOTSUPP", "flags is not zero", "vfio",
     "ioctl: IOMMU_GET_HW_INFO, on: iommufd, dev_id: device, flags: 2, fails: EOPNOTSUPP\n"},
    {"IOMMU_GET_HW_INFO", "ENOENT", "no such device", "vfio",
     "ioctl: IOMMU_GET_HW_INFO, on: iommufd, dev_id: 77, fails: ENOENT\n"},
    {"IOMMU_GET_HW_INFO", "EFAULT", "data_uptr cannot be written", "vfio",
     "ioctl: IOMMU_GET_HW_INFO, on: iommufd, dev_id: device, data_len: 24, data_uptr: 4096, fails: "
     "EFAULT\n"},
    {"IOMMU_HWPT_INVALIDATE", "EOPNOTSUPP", "reserved is not zero", "vfio",
     "ioctl: IOMMU_HWPT_INVALIDATE, on: iommufd, hwpt_id: hwpt, reserved: 1, fails: EOPNOTSUPP\n"},
    {"IOMMU_HWPT_INVALIDATE", "EINVAL",
     "entries without an address, or the object is no nested HWPT", "vfio",
     "ioctl: IOMMU_HWPT_INVALIDATE, on: iommufd, hwpt_id: hwpt, entry_num: 1, fails: EINVAL\n"
     "ioctl: IOMMU_HWPT_INVALIDATE, on: iommufd, hwpt_id: hwpt, fails: EINVAL\n"
     "ioctl: IOMMU_HWPT_INVALIDATE, on: iommufd, hwpt_id: ioas, fails: EINVAL\n"},
    {"IOMMU_HWPT_INVALIDATE", "ENOENT", "no such object", "vfio",
     "ioctl: IOMMU_HWPT_INVALIDATE, on: iommufd, hwpt_id: 77, fails: ENOENT\n"},
    {"IOMMU_HWPT_ALLOC", "ENOENT", "no such device", "vfio",
     "ioctl: IOMMU_HWPT_ALLOC, on: iommufd, dev_id: 77, pt_id: ioas, fails: ENOENT\n"},
    {"IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE", "ENOENT", "no such object", "vfio",
     "ioctl: IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE, on: iommufd, hwpt_id: 77, hwpt_token: 1, fails: "
     "ENOENT\n"},
    {"IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE", "EINVAL", "the object is no HWPT", "vfio",
     "ioctl: IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE, on: iommufd, hwpt_id: ioas, hwpt_token: 1, "
     "fails: EINVAL\n"},
    {"IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE", "EADDRINUSE",
     "another HWPT, or this one, has the token", "vfio",
     "ioctl: IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE, on: iommufd, hwpt_id: hwpt, hwpt_token: 1\n"
     "ioctl: IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE, on: iommufd, hwpt_id: hwpt, hwpt_token: 1, "
     "fails: EADDRINUSE\n"},
    {"any request on a VFIO device", "EINVAL",
     "it is not bound to an iommufd, and this is not BIND", "vfio_open",
     "ioctl: VFIO_DEVICE_GET_INFO, on: cdev, fails: EINVAL\n"},
    {"any request on a VFIO device", "ENOTTY", "there is no such request", "vfio",
     "ioctl: 0x3BFF, on: cdev, size: 8, fails: ENOTTY\n"},
    {"any request on a VFIO device", "EFAULT", "the struct cannot be read", "vfio",
     "ioctl: VFIO_DEVICE_GET_INFO, on: cdev, argument: unmapped, fails: EFAULT\n"},
    {"any request on a VFIO device", "EINVAL", "argsz is less than the struct had at first", "vfio",
     "ioctl: VFIO_DEVICE_GET_REGION_INFO, on: cdev, argsz: 8, fails: EINVAL\n"},
    {"VFIO_DEVICE_BIND_IOMMUFD", "EINVAL", "this file, or another of the device, is bound already",
     "vfio", "ioctl: VFIO_DEVICE_BIND_IOMMUFD, on: cdev, iommufd: iommufd, fails: EINVAL\n"},
    {"VFIO_DEVICE_BIND_IOMMUFD", "EBADFD", "iommufd is an open file of another kind", "vfio_open",
     "ioctl: VFIO_DEVICE_BIND_IOMMUFD, on: cdev, iommufd: cdev, fails: EBADFD\n"},
    {"VFIO_DEVICE_ATTACH_IOMMUFD_PT", "EINVAL", "pasid is 0, or the HWPT was not made for PASIDs",
     "vfio",
     "ioctl: VFIO_DEVICE_ATTACH_IOMMUFD_PT, on: cdev, flags: 1, pt_id: hwpt, fails: EINVAL\n"
     "ioctl: VFIO_DEVICE_ATTACH_IOMMUFD_PT, on: cdev, flags: 1, pt_id: hwpt, pasid: 3, fails: "
     "EINVAL\n"},
    {"VFIO_DEVICE_GET_REGION_INFO", "EINVAL", "no such region", "vfio",
     "ioctl: VFIO_DEVICE_GET_REGION_INFO, on: cdev, index: 99, fails: EINVAL\n"},
    {"VFIO_DEVICE_GET_IRQ_INFO", "EINVAL", "no such interrupt index", "vfio",
     "ioctl: VFIO_DEVICE_GET_IRQ_INFO, on: cdev, index: 99, fails: EINVAL\n"},
    {"VFIO_DEVICE_SET_IRQS", "EINVAL", "no such interrupt index, or flags that do not go together",
     "vfio",
     "ioctl: VFIO_DEVICE_SET_IRQS, on: cdev, flags: 0x21, index: 99, fails: EINVAL\n"
     "ioctl: VFIO_DEVICE_SET_IRQS, on: cdev, flags: 0x27, index: 2, fails: EINVAL\n"},
    {"VFIO_DEVICE_ATTACH_IOMMUFD_PT", "ENOENT", "no such object", "vfio",
     "ioctl: VFIO_DEVICE_ATTACH_IOMMUFD_PT, on: cdev, pt_id: 77, fails: ENOENT\n"},
    {"VFIO_DEVICE_FEATURE", "ENOTTY", "no such feature", "vfio",
     "ioctl: VFIO_DEVICE_FEATURE, on: cdev, flags: 0x1FFFF, fails: ENOTTY\n"},
    {"LIVEUPDATE_SESSION_PRESERVE_FD", "ENOENT",
     "an iommufd whose memory, or a device whose iommufd, is not in the session", "vfio_session",
     "ioctl: IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE, on: iommufd, hwpt_id: hwpt, hwpt_token: 9\n"
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: cdev, token: 3, fails: ENOENT\n"
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: iommufd, token: 2, fails: ENOENT\n"},
    {"LIVEUPDATE_SESSION_PRESERVE_FD", "EINVAL", "a device whose page table is not marked",
     "vfio_session",
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: cdev, token: 3, fails: EINVAL\n"},
    {"LIVEUPDATE_SESSION_PRESERVE_FD", "EINVAL",
     "an iommufd with memory that is no memfd, or was not sealed when it was mapped",
     "vfio_unsealed",
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: memory, token: 1\n"
     "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: iommufd, token: 2, fails: EINVAL\n"},
    {"LIVEUPDATE_SESSION_RETRIEVE_FD", "EOPNOTSUPP",
     "an iommufd; this kernel restores none (iommu v5)", "next_heir",
     "ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 2, fails: EOPNOTSUPP\n"},
    {"LIVEUPDATE_SESSION_RETRIEVE_FD", "ENODEV",
     "a device that vfio-pci does not have; the answer stays the same", "next_heir",
     "ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 3, fails: ENODEV\n"
     "open: /sys/bus/pci/devices/0000:6a:01.0/driver_override, as: override\n"
     "write: override, text: vfio-pci\n"
     "open: /sys/bus/pci/drivers/vfio-pci/bind, as: bind\n"
     "write: bind, text: \"0000:6a:01.0\"\n"
     "ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 3, fails: ENODEV\n"},
    {"IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE", "ENOTTY",
     "this kernel hands no page tables over (iommu none)", "mainline",
     "ioctl: IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE, on: iommufd, hwpt_id: hwpt, hwpt_token: 9, "
     "fails: ENOTTY\n"},
    {"open /dev/vfio/devices/vfioN", "EBUSY",
     "the previous kernel handed it over, and its session is not finished", "next_heir_bound",
     "open: /dev/vfio/devices/vfio0, fails: EBUSY\n"},
    {"any request on a VFIO device", "EIO",
     "it was frozen for a reboot that failed (vfio v5, or policy cancel_after_freeze: fd-dead)",
     "vfio_dead",
     "ioctl: VFIO_DEVICE_GET_INFO, on: cdev, fails: EIO\n"
     "ioctl: VFIO_DEVICE_RESET, on: cdev, fails: EIO\n"
     "pread: cdev, offset: 0x70000000000, length: 4, fails: EIO\n"},
    {"VFIO_DEVICE_BIND_IOMMUFD", "EPERM",
     "the device's IOMMU group belongs to another, or to the previous kernel's iommufd",
     "next_heir_bound",
     "ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: s, token: 3, as: cdev\n"
     "open: /dev/iommu, as: iommufd\n"
     "ioctl: VFIO_DEVICE_BIND_IOMMUFD, on: cdev, iommufd: iommufd, fails: EPERM\n"},
    {"VFIO_DEVICE_SET_IRQS", "EBUSY",
     "the device is preserved (policy prepared_lockdown), and they are not only taken down",
     "vfio_preserved",
     "eventfd: 0, as: irq\n"
     "ioctl: VFIO_DEVICE_SET_IRQS, on: cdev, flags: 0x24, index: 2, start: 1, count: 1, eventfds: "
     "[irq], fails: EBUSY\n"},
    {"VFIO_DEVICE_RESET", "EBUSY", "the device is preserved (policy prepared_lockdown)",
     "vfio_preserved", "ioctl: VFIO_DEVICE_RESET, on: cdev, fails: EBUSY\n"},
    {"VFIO_DEVICE_RESET", "EAGAIN", "its driver is to let go of it, and waits for its owner",
     "vfio",
     "open: /sys/bus/pci/drivers/vfio-pci/unbind, as: unbind\n"
     "fork: operator, calls: [{close: cdev}, {write: unbind, text: \"0000:6a:01.0\"}]\n"
     "sleep: 1ms\n"
     "ioctl: VFIO_DEVICE_RESET, on: cdev, fails: EAGAIN\n"
     "close: cdev\n"},
    {"VFIO_DEVICE_ATTACH_IOMMUFD_PT", "EBUSY", "the device is preserved (policy prepared_lockdown)",
     "vfio_preserved",
     "ioctl: VFIO_DEVICE_ATTACH_IOMMUFD_PT, on: cdev, pt_id: ioas, fails: EBUSY\n"},
    {"VFIO_DEVICE_DETACH_IOMMUFD_PT", "EBUSY", "the device is preserved (policy prepared_lockdown)",
     "vfio_preserved", "ioctl: VFIO_DEVICE_DETACH_IOMMUFD_PT, on: cdev, fails: EBUSY\n"},
    {"pwrite to a VFIO device", "EBUSY",
     "its configuration space; the device is preserved (policy prepared_lockdown)",
     "vfio_preserved", "pwrite: cdev, offset: 0x70000000004, bytes: 0600, fails: EBUSY\n"},
    {"write to sysfs reset, unbind, sriov_numvfs", "EBUSY",
     "the device is preserved (policy prepared_lockdown: all)", "locked",
     "open: /sys/bus/pci/devices/0000:6a:01.0/reset, as: reset\n"
     "write: reset, text: \"1\", fails: EBUSY\n"
     "open: /sys/bus/pci/drivers/vfio-pci/unbind, as: unbind\n"
     "write: unbind, text: \"0000:6a:01.0\", fails: EBUSY\n"},
    {"reboot LINUX_REBOOT_CMD_KEXEC", "EINVAL",
     "interrupts of a device that is handed over are configured (vfio v5, or policy "
     "require-disabled)",
     "vfio_interrupts",
     "kexec_file_load: next\n"
     "reboot: kexec, fails: EINVAL\n"},
    {"open /dev/vfio/N", "ENOENT", "no device of the group is bound to vfio-pci", "plain",
     "open: /dev/vfio/0, fails: ENOENT\n"},
    {"open /dev/vfio/N", "EBUSY", "it is open, or a character device of it is bound", "vfio_group",
     "open: /dev/vfio/8, fails: EBUSY\n"},
    {"any request on a VFIO group", "ENOTTY", "there is no such request", "vfio_group",
     "ioctl: 0x3b6f, on: group, size: 0, fails: ENOTTY\n"},
    {"VFIO_GROUP_GET_STATUS", "EINVAL", "argsz is less than 8", "vfio_group",
     "ioctl: VFIO_GROUP_GET_STATUS, on: group, argsz: 4, fails: EINVAL\n"},
    {"VFIO_GROUP_SET_CONTAINER", "EINVAL",
     "the descriptor is negative, or the group has a container", "vfio_group",
     "ioctl: VFIO_GROUP_SET_CONTAINER, on: group, container: -1, fails: EINVAL\n"},
    {"VFIO_GROUP_SET_CONTAINER", "EBADF", "no open descriptor", "vfio_group",
     "ioctl: VFIO_GROUP_SET_CONTAINER, on: group, container: 900, fails: EBADF\n"},
    {"VFIO_GROUP_SET_CONTAINER", "EBADFD", "neither a container nor an iommufd", "vfio_group",
     "ioctl: VFIO_GROUP_SET_CONTAINER, on: group, container: group, fails: EBADFD\n"},
    {"VFIO_GROUP_UNSET_CONTAINER", "EINVAL", "it has none", "vfio_group",
     "ioctl: VFIO_GROUP_UNSET_CONTAINER, on: group, fails: EINVAL\n"},
    {"VFIO_GROUP_UNSET_CONTAINER", "EBUSY", "a device of it is open", "vfio_legacy",
     "ioctl: VFIO_GROUP_UNSET_CONTAINER, on: group, fails: EBUSY\n"},
    {"VFIO_GROUP_GET_DEVICE_FD", "ENODEV", "no device of the group is called that", "vfio_group",
     "ioctl: VFIO_GROUP_GET_DEVICE_FD, on: group, name: \"0000:00:00.0\", fails: ENODEV\n"},
    {"VFIO_GROUP_GET_DEVICE_FD", "EINVAL", "the group has no container, or that no driver",
     "vfio_group",
     "ioctl: VFIO_GROUP_GET_DEVICE_FD, on: group, name: \"0000:6a:01.0\", fails: EINVAL\n"},
    {"VFIO_SET_IOMMU", "EINVAL", "the container has no group, or a driver", "vfio_legacy",
     "open: /dev/vfio/vfio, as: empty\n"
     "ioctl: VFIO_SET_IOMMU, on: empty, type: 1, fails: EINVAL\n"
     "ioctl: VFIO_SET_IOMMU, on: container, type: 1, fails: EINVAL\n"},
    {"VFIO_SET_IOMMU", "ENODEV", "no driver for that type", "vfio_group",
     "open: /dev/vfio/vfio, as: container\n"
     "ioctl: VFIO_GROUP_SET_CONTAINER, on: group, container: container\n"
     "ioctl: VFIO_SET_IOMMU, on: container, type: 7, fails: ENODEV\n"},
    {"VFIO_IOMMU_MAP_DMA", "EINVAL", "no driver, not whole pages, no access, or unknown flags",
     "vfio_legacy",
     "ioctl: VFIO_IOMMU_MAP_DMA, on: container, flags: 3, size: 100, fails: EINVAL\n"
     "ioctl: VFIO_IOMMU_MAP_DMA, on: container, flags: 0, size: 4096, fails: EINVAL\n"},
    {"VFIO_IOMMU_MAP_DMA", "EFAULT", "there is no memory at vaddr", "vfio_legacy",
     "ioctl: VFIO_IOMMU_MAP_DMA, on: container, flags: 3, vaddr: 4096, size: 4096, fails: "
     "EFAULT\n"},
    {"VFIO_IOMMU_MAP_DMA", "EEXIST", "something is mapped there", "vfio_legacy",
     "mmap: anonymous, length: 8KiB, as: p\n"
     "ioctl: VFIO_IOMMU_MAP_DMA, on: container, flags: 3, vaddr: p, size: 8192\n"
     "ioctl: VFIO_IOMMU_MAP_DMA, on: container, flags: 3, vaddr: p, iova: 4096, size: 4096, fails: "
     "EEXIST\n"},
    {"VFIO_IOMMU_UNMAP_DMA", "EINVAL", "not whole pages, or (version 2) it would cut a mapping",
     "vfio_legacy",
     "mmap: anonymous, length: 8KiB, as: p\n"
     "ioctl: VFIO_IOMMU_MAP_DMA, on: container, flags: 3, vaddr: p, size: 8192\n"
     "ioctl: VFIO_IOMMU_UNMAP_DMA, on: container, iova: 4096, size: 4096, fails: EINVAL\n"},
    {"VFIO_DEVICE_BIND_IOMMUFD", "EBUSY", "the group of the device is open", "vfio_group",
     "open: /dev/vfio/devices/vfio0, as: cdev\n"
     "open: /dev/iommu, as: iommufd\n"
     "ioctl: VFIO_DEVICE_BIND_IOMMUFD, on: cdev, iommufd: iommufd, fails: EBUSY\n"},
    {"VFIO_DEVICE_ATTACH_IOMMUFD_PT", "ENOTTY", "the device was opened through its group",
     "vfio_legacy", "ioctl: VFIO_DEVICE_ATTACH_IOMMUFD_PT, on: device, pt_id: 1, fails: ENOTTY\n"},
    {"VFIO_DEVICE_GET_PCI_HOT_RESET_INFO", "ENODEV", "the function is on a root bus", "vfio",
     "ioctl: VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, on: cdev, fails: ENODEV\n"},
    {"VFIO_DEVICE_PCI_HOT_RESET", "ENODEV", "the function is on a root bus", "vfio",
     "ioctl: VFIO_DEVICE_PCI_HOT_RESET, on: cdev, fails: ENODEV\n"},
    {"VFIO_DEVICE_PCI_HOT_RESET", "EINVAL", "unknown flags", "vfio",
     "ioctl: VFIO_DEVICE_PCI_HOT_RESET, on: cdev, flags: 1, fails: EINVAL\n"},
    {"VFIO_DEVICE_SET_IRQS", "ENOTTY", "the interrupt cannot be masked, and is asked to be", "vfio",
     "ioctl: VFIO_DEVICE_SET_IRQS, on: cdev, flags: 9, index: 4, count: 1, fails: ENOTTY\n"},
    {"reboot LINUX_REBOOT_CMD_KEXEC", "EINVAL", "no image is loaded", "plain",
     "reboot: kexec, fails: EINVAL\n"},
    {"reboot LINUX_REBOOT_CMD_KEXEC", "EBUSY", "a reboot is under way", "rebooting", ""},
};

}  // namespace baton::test
