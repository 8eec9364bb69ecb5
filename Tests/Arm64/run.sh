#!/usr/bin/env bash
# CRing on arm64, as far as it can be had on another machine: the code of its inline functions against the table in
# Documentation/ordering.md, and checks.c under qemu-user.
set -euo pipefail
cd "$(dirname "$0")/../.."
. Scripts/apt.sh

need() { command -v "$1" >/dev/null 2>&1 || apt_install arm64 "$2" "$1 is needed (Debian package $2)"; }
need python3 python3
need gcc gcc
need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
[ -e /usr/aarch64-linux-gnu/include/stdint.h ] ||
  apt_install arm64 libc6-dev-arm64-cross "arm64's C library is needed (Debian package libc6-dev-arm64-cross)"
need qemu-aarch64 qemu-user

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=/usr/aarch64-linux-gnu
code() { python3 Tests/Arm64/instructions.py "$@"; }

# The compiler that Swift imports C with, and gcc.
clang=$(dirname "$(readlink -f "$(command -v "${SWIFT:-swift}")")")/clang
code "$clang" --target=x86_64-linux-gnu "x86-64"
arm=(--target=aarch64-linux-gnu -isystem "$root/include")
for compiler in "$clang ${arm[*]}" aarch64-linux-gnu-gcc; do
  code $compiler -march=armv8-a -mno-outline-atomics "arm64"
  code $compiler -march=armv8.3-a "arm64 from v8.3 on"
done

# checks COMPILER MACHINE EMULATED RUNNER...
checks() {
  local compiler=$1 machine=$2 emulated=$3
  shift 3
  "$compiler" -O2 -Wall -Wextra -Wno-enum-compare -Werror -ISources/CRing/include "-DCRING_CHECKS_MACHINE=\"$machine\"" \
    "-DCRING_CHECKS_ARE_EMULATED=$emulated" -o "$work/checks" Tests/Arm64/checks.c Sources/CRing/*.c Sources/CRing/os/*.c -pthread
  timeout 120 "$@" "$work/checks"
}
checks gcc "$(uname -m)" 0
checks aarch64-linux-gnu-gcc aarch64 1 qemu-aarch64 -L "$root"
