#!/bin/sh
# The house style as far as a program can check it. Prints every finding; fails when there is one.
set -eu
cd "$(dirname "$0")/.."
status=0

"${SWIFT:-swift}" format lint --strict --recursive Sources Tests Fuzz/Sources \
  Examples/Sources Examples/Tests Package.swift Fuzz/Package.swift Examples/Package.swift || status=1

# A package with unsafe flags is refused as a dependency by version.
if grep -n 'unsafeFlags' Package.swift; then
  echo "lint: Package.swift uses unsafe flags: no package could depend on this one by version" >&2
  status=1
fi

# A machine without clang-format says so; CI has it.
if command -v clang-format >/dev/null 2>&1; then
  git ls-files '*.c' '*.h' '*.cpp' | xargs clang-format --dry-run --Werror || status=1
else
  echo "lint: clang-format is not installed: the C sources are not checked" >&2
fi

# What a release says of itself.
Scripts/release.sh --check || status=1

Scripts/public-types.sh --check || {
  echo "lint: more public types than recorded in Scripts/public-types.sh" >&2
  status=1
}

python3 Scripts/blocks.py check || status=1
python3 Scripts/prose.py || status=1

limit=400
find Sources -type f \( -name '*.swift' -o -name '*.c' -o -name '*.h' \) | sort | while read -r file; do
  lines=$(wc -l <"$file")
  [ "$lines" -le "$limit" ] || echo "lint: $file has $lines lines; the ceiling is $limit"
done | { ! grep . >&2; } || status=1

[ "$status" -eq 0 ] && echo "lint: clean"
exit "$status"
