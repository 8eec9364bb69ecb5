#!/bin/sh
# Holds instruction counts and work counters against those in bench-results.
#
#   gate.sh [--allow-other]   compares: 0 nothing grew, 1 something did, 3 this machine cannot tell
#   gate.sh --update          measures and rewrites bench-results/instructions.json and bench-results/work.json
#
# Counts of another toolchain or architecture are not comparable: says so and ends with 3, or 0 with --allow-other.
set -eu
cd "$(dirname "$0")/.."
. Scripts/apt.sh

missing="valgrind is missing; install it (Debian, Ubuntu: apt-get install valgrind)"
command -v valgrind >/dev/null 2>&1 || apt_install gate valgrind "$missing" || exit 3
command -v valgrind >/dev/null 2>&1 || {
  echo "gate: $missing; apt-get installed it, but it is not on the PATH" >&2
  exit 3
}

# Linked without debug information, which valgrind does not read from this toolchain. Symbols stay. A release build that
# is there is only linked again.
ringbench=$(Scripts/build.sh -Xlinker -S)
mkdir -p .build/gate
cp "$ringbench" .build/gate/ringbench

toolchain=$("${SWIFT:-swift}" --version 2>/dev/null | sed -n 's/.*\(Swift version .*\)/\1/p' | head -n 1)
code=0
Scripts/gate.py --toolchain "$toolchain" "$@" .build/gate/ringbench || code=$?
exit "$code"
