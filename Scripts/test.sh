#!/usr/bin/env bash
# test.sh [OPTION OF swift test]...: builds and runs the tests, quietly.
#
# Prints failures as they come, skipped tests with their reason, the closing line of the test runner, and how long it took.
# The rest stands in .build/test.log, or in LOG.
set -uo pipefail
cd "$(dirname "$0")/.."
log=${LOG:-.build/test.log}
mkdir -p "$(dirname "$log")"
echo "test: building and running; each line goes to $log" >&2
code=0
# An issue may have several lines: it ends where the next event begins.
"${SWIFT:-swift}" test --traits default,Bench "$@" 2>&1 | tee "$log" | awk '
  /^✘/ { inIssue = 1 }
  /^(◇|✔|➜)/ { inIssue = 0 }
  inIssue || /^skipped/ || / skipped(: |\.$)/ || /Test run with [0-9]+ tests?/ || /(^|: )(fatal )?error: / ||
  /Fatal error|unexpected signal/ { print; fflush() }
' || code=$?
built=$(sed -n 's/^Build complete! (\(.*\))$/\1/p' "$log" | head -n 1)
if [ "$code" -ne 0 ]; then
  grep -aE -A 60 'WARNING: ThreadSanitizer|ERROR: (Address|Leak)Sanitizer' "$log" | head -n 300
  if [ -n "$built" ] && ! grep -aqE 'Test run with [0-9]+ tests? ' "$log"; then
    echo "test: it ended before its closing line; the last lines of $log:"
    tail -n 30 "$log"
  fi
  # The environment variable of that name repeats the numbers of one. What failed is said last.
  grep -a 'RINGKIT_SEED=' "$log" | sort -u
  grep -aE '^✘|^↳' "$log"
fi
echo "test: built in ${built:-?}, $SECONDS s in all"
exit "$code"
