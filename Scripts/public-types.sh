#!/bin/sh
# Prints how many public types each library product has, nested ones among them; with --check it fails above what is recorded here.
#
# A type that only our own targets need is 'package'. Lower a number when types go.
set -eu
cd "$(dirname "$0")/.."
status=0
while read -r product limit; do
  count=$(grep -rhE '^ *(@[a-z]+ )*public (final |indirect )*(class|struct|enum|protocol|actor) ' "Sources/$product" | wc -l)
  echo "public types: $product $count (at most $limit)"
  [ "$count" -le "$limit" ] || status=1
done <<EOF
RingKit 60
RingIOMMU 38
RingPlatform 27
VhostUser 52
RingKitTesting 19
EOF
[ "${1:-}" != --check ] || exit "$status"
