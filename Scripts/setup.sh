#!/bin/sh
# What a fresh machine lacks for building: says it in one line, or installs it where that is possible.
set -eu
. "$(dirname "$0")/apt.sh"

fail() {
  echo "setup: $1" >&2
  exit 1
}

wanted=6.2
command -v "${SWIFT:-swift}" >/dev/null 2>&1 ||
  fail "no swift on the PATH; install a Swift toolchain, $wanted or later, from https://www.swift.org/install"
found=$("${SWIFT:-swift}" --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1)
[ -n "$found" ] || fail "cannot tell the version of $(command -v "${SWIFT:-swift}"); Swift $wanted or later is needed"
oldest=$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n 1)
[ "$oldest" = "$wanted" ] || fail "Swift $found is too old; install $wanted or later from https://www.swift.org/install"

# The trait NUMA is on by default and needs libnuma's header and library.
has_numa() {
  for compiler in clang cc gcc; do
    command -v "$compiler" >/dev/null 2>&1 || continue
    echo '#include <numa.h>' | "$compiler" -fsyntax-only -x c - >/dev/null 2>&1
    return
  done
  # Without a C compiler on the PATH, where the distributions put it.
  [ -e /usr/include/numa.h ]
}

has_numa && exit 0
missing="libnuma's header is missing; install it (Debian, Ubuntu: apt-get install libnuma-dev)"
command -v apt-get >/dev/null 2>&1 || missing="$missing, or build with --disable-default-traits"
apt_install setup libnuma-dev "$missing" || exit 1
has_numa || fail "$missing; apt-get installed libnuma-dev, but no compiler finds numa.h"
