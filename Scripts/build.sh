#!/bin/sh
# Builds ringbench, optimised, and prints where it is. What the compiler says is kept in a log, and shown when it fails.
#
#   ringbench=$(Scripts/build.sh [ARGUMENTS OF swift build])
set -eu
cd "$(dirname "$0")/.."
swift=${SWIFT:-swift}
log=.build/ringbench.log
mkdir -p .build

echo "building ringbench: about two minutes of one CPU the first time, seconds after that" >&2
# Only this trait brings the packages that the command line needs and the libraries do not.
"$swift" build -c release --traits default,Bench --product ringbench "$@" >"$log" 2>&1 || {
  cat "$log" >&2
  exit 1
}
echo "$("$swift" build -c release --show-bin-path)/ringbench"
