# Sourced by the wrappers: Debian packages, and how to have them. Needs sh, apt and dpkg alone.

build_packages="g++ cmake ninja-build libboost1.81-dev libboost-json1.81-dev
  libboost-iostreams1.81-dev zlib1g-dev libyaml-cpp-dev libfmt-dev libspdlog-dev libcli11-dev
  libfdt-dev libxxhash-dev libprotobuf-dev protobuf-compiler"
test_packages="catch2 pciutils"
ci_packages="clang-19 clang-format-19 clang-tidy-19 git chromium valgrind"

# Prints those of "$@" that are not installed.
missing_packages() {
  for package in "$@"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=none
    [ "$status" = installed ] || printf '%s ' "$package"
  done
}

# Installs what is missing of "$@", as root or through sudo. What apt says goes to stderr.
need_packages() {
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" = 0 ]; then
    as_root=""
  elif command -v sudo >/dev/null 2>&1 && sudo -v >&2; then
    as_root="sudo"
  else
    echo "baton: these Debian packages are missing, and installing them needs root or sudo:" >&2
    echo "  $missing" >&2
    echo "Have them installed with: apt-get install --no-install-recommends $missing" >&2
    exit 2
  fi
  echo "baton: installing $missing" >&2
  # shellcheck disable=SC2086  # lists of packages are meant to be split
  {
    $as_root apt-get update -q &&
      $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $missing
  } >&2 || {
    echo "baton: apt could not install: $missing" >&2
    exit 2
  }
}

# build PRESET [TARGET]: configures and builds in build/PRESET. Quiet when all is well; the whole
# output on stderr when it is not.
build() {
  log="build/$1.log"
  mkdir -p build
  [ -f "build/$1/build.ninja" ] || echo "baton: building ($1), some minutes the first time" >&2
  if [ -t 2 ]; then
    { cmake --preset "$1" >"$log" 2>&1 || { cat "$log" >&2; return 1; }; } &&
      cmake --build --preset "$1" ${2:+--target "$2"} >&2
  else
    { cmake --preset "$1" && cmake --build --preset "$1" ${2:+--target "$2"}; } >"$log" 2>&1 ||
      { cat "$log" >&2; return 1; }
  fi
}
