#!/bin/sh
# Builds ringbench, optimised, and prints where it is. What the compiler says is kept in a log, and shown when it fails.
#
#   ringbench=$(Scripts/build.sh [ARGUMENTS OF swift build])
set -eu
cd "$(dirname "$0")/.."
swift=${SWIFT:-swift}
log=.build/ringbench.log
mkdir -p .build

echo "building ringbench: two to seven minutes the first time; else seconds" >&2
# The program runs without a Swift runtime, where the toolchain has one to link into it: the same build is installed and
# packed. Only this trait brings the packages that the command line needs and the libraries do not.
runtime=$("$swift" -print-target-info 2>/dev/null | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1_static/p')
[ ! -d "$runtime" ] || set -- --static-swift-stdlib "$@"
"$swift" build -c release --traits default,Bench --product ringbench "$@" >"$log" 2>&1 || {
  cat "$log" >&2
  exit 1
}
program=$("$swift" build -c release --show-bin-path)/ringbench

# The commit goes into a section of the linked program (Sources/CRingBench/commit.c): a plain `swift build` knows nothing of it
# and says so.
commit=$(git rev-parse HEAD 2>/dev/null) || commit=unknown
[ "$commit" = unknown ] || git diff --quiet HEAD -- 2>/dev/null || commit="$commit-dirty"
objcopy=$(dirname "$(readlink -f "$(command -v "$swift")")")/llvm-objcopy
[ -x "$objcopy" ] || objcopy=objcopy
# Only where it is another one: what is written is linked anew by the next build.
if ! grep -qaP "$commit\x00" "$program"; then
  printf '%s' "$commit" >.build/ringbench.commit
  truncate -s 128 .build/ringbench.commit
  "$objcopy" --update-section ringkit_commit=.build/ringbench.commit "$program"
fi
echo "$program"
