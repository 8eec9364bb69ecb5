#!/usr/bin/env bash
# test.sh [OPTION OF swift test]...: builds and runs the tests, quietly.
#
# Prints failures, skipped tests with their reason, how long it took, and the closing line of the test runner. The rest
# stands in .build/test.log, or in LOG.
set -uo pipefail
cd "$(dirname "$0")/.."
log=${LOG:-.build/test.log}
mkdir -p "$(dirname "$log")"
echo "test: building and running; each line goes to $log" >&2
code=0
"${SWIFT:-swift}" test --traits default,Bench "$@" >"$log" 2>&1 || code=$?
grep -aE '^.{0,4}(Test|Suite) .*(skipped)' "$log" | sort -u
built=$(sed -n 's/^Build complete! (\(.*\))$/\1/p' "$log" | head -n 1)
if [ "$code" -ne 0 ]; then
  grep -aE 'error:|✘|↳|recorded an issue|Fatal error|unexpected signal' "$log" | head -n 100
  grep -aE -A 60 'WARNING: ThreadSanitizer|ERROR: (Address|Leak)Sanitizer' "$log" | head -n 300
fi
echo "test: built in ${built:-?}, $SECONDS s in all"
grep -aE 'Test run with [0-9]+ tests?' "$log" | tail -n 1
exit "$code"
