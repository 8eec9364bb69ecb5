#!/usr/bin/env bash
# Compiles what the library's interface has to refuse, each file of Tests/MustNotCompile alone, as another package would: against the
# debug build's modules, with strict memory safety and warnings as errors. The first line of a file says what the compiler
# has to say.
set -euo pipefail
cd "$(dirname "$0")/.."
swift=${SWIFT:-swift}
modules=$(ls -d .build/debug/Modules 2>/dev/null) || {
  "$swift" build --product RingIOMMU >&2
  modules=.build/debug/Modules
}

failed=0
count=0
for file in Tests/MustNotCompile/*.swift; do
  expected=$(sed -n '1s|^// expect: ||p' "$file")
  [ -n "$expected" ] || { echo "must-not-compile: $file does not say what to expect" >&2; exit 1; }
  count=$((count + 1))
  if said=$("${swift}c" -typecheck -swift-version 6 -strict-memory-safety -warnings-as-errors -I "$modules" -Xcc -I -Xcc Sources/CRing/include \
    -enable-upcoming-feature MemberImportVisibility "$file" 2>&1); then
    echo "must-not-compile: $(basename "$file"): compiles" >&2
    failed=$((failed + 1))
  elif ! grep -qF "$expected" <<<"$said"; then
    echo "must-not-compile: $(basename "$file"): refused, but not with \"$expected\":" >&2
    grep -E 'error:' <<<"$said" | head -n 3 >&2
    failed=$((failed + 1))
  fi
done
echo "must-not-compile: $count snippets, $((count - failed)) refused as expected"
[ "$failed" -eq 0 ]
