#!/bin/sh
# Builds ringbench, optimised, and prints where it is. What the compiler says is kept in a log, and shown when it fails.
#
#   ringbench=$(Scripts/build.sh [ARGUMENTS OF swift build])
set -eu
cd "$(dirname "$0")/.."
swift=${SWIFT:-swift}
log=.build/ringbench.log
mkdir -p .build

# The commit goes into the program, through a header that is there only while it is built: a plain `swift build` knows
# nothing of it and says so. The source is touched, because the compiler does not look for a header that was missing.
source=Sources/CRingBench/commit.c
header=Sources/CRingBench/commit.generated.h
forget() {
  rm -f "$header"
  touch "$source"
}
trap forget EXIT
trap 'exit 1' HUP INT TERM
commit=$(git rev-parse HEAD 2>/dev/null) || commit=unknown
[ "$commit" = unknown ] || git diff --quiet HEAD -- 2>/dev/null || commit="$commit-dirty"
printf '#define CRB_COMMIT "%s"\n' "$commit" >"$header"
touch "$source"

echo "building ringbench: some two minutes the first time, and between 'make bench' and 'make install' or 'dist'; else seconds" >&2
# Only this trait brings the packages that the command line needs and the libraries do not.
"$swift" build -c release --traits default,Bench --product ringbench "$@" >"$log" 2>&1 || {
  cat "$log" >&2
  exit 1
}
echo "$("$swift" build -c release --show-bin-path)/ringbench"
