#!/bin/sh
# What a fresh machine lacks for building: says it in one line, or installs it where that is possible.
set -eu

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
  # Without a C compiler on the PATH, the place where the distributions put it.
  [ -e /usr/include/numa.h ]
}

has_numa && exit 0
missing="libnuma's header is missing; install it (Debian, Ubuntu: apt-get install libnuma-dev)"
command -v apt-get >/dev/null 2>&1 || fail "$missing, or build with --disable-default-traits"
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null || fail "$missing; this account may not"
  as_root="sudo -n"
fi
echo "setup: installing libnuma-dev" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() { DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq libnuma-dev >"$log" 2>&1; }
# A fresh image has no package lists yet.
install || { $as_root apt-get update -qq >"$log" 2>&1 && install; } ||
  fail "$missing; apt-get said: $(grep -m 1 '^E:' "$log" || echo nothing)"
has_numa || fail "$missing; apt-get installed libnuma-dev, but no compiler finds numa.h"
