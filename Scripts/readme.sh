#!/usr/bin/env bash
# readme.sh RESULT...: puts the tables of committed results into README.md, between its markers, and draws its pictures anew.
#
# RINGBENCH=PATH: a ringbench that is built already. The pictures are of the first result with a ladder and the first sweep.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || {
  echo "usage: readme.sh bench-results/NAME.json..." >&2
  exit 2
}
ringbench=${RINGBENCH:-$(Scripts/build.sh)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tables=()
for result in "$@"; do
  # A sweep has a row for each size: its picture says more.
  if [[ $result != *-sweep-* ]]; then tables+=("$result"); fi
done
"$ringbench" convert "${tables[@]}" --format markdown >"$work/tables"
awk -v tables="$work/tables" '
  /<!-- table:begin -->/ { print; while ((getline line < tables) > 0) print line; skip = 1 }
  /<!-- table:end -->/ { skip = 0 }
  !skip { print }
' README.md >"$work/README.md"

"$ringbench" report "$@" -o /dev/null --svg-dir "$work/pictures"
mkdir -p bench-results/pictures
# picture KIND: the first of its kind, of the first result that has one.
picture() {
  local result found
  for result in "${results[@]}"; do
    found=$(find "$work/pictures" -name "$(basename "$result" .json)-$1-split-readable-*.svg" | sort | head -n 1)
    [ -z "$found" ] || { cp "$found" "bench-results/pictures/$1.svg"; return; }
  done
}
results=("$@")
picture ladder
picture crossover
cp "$work/README.md" README.md
