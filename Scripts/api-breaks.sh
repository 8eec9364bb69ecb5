#!/usr/bin/env bash
# api-breaks.sh: compares the public API of the five libraries with that of the last tag, and prints what breaks.
#
# Fails where something breaks and the version promises that nothing does: with the last tag's major and minor number, or, from 1.0.0
# on, with its major number. Without a tag there is nothing to compare with.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(Scripts/version.sh)
# The commit that is the version is compared with the version before it.
from=HEAD
[ "$(git describe --tags --exact-match --match "$version" HEAD 2>/dev/null)" != "$version" ] || from=HEAD^
last=$(git describe --tags --abbrev=0 --match '[0-9]*.[0-9]*.[0-9]*' "$from" 2>/dev/null) || {
  echo "api: no tag to compare with"
  exit 0
}
products=()
for name in RingKit RingIOMMU RingPlatform VhostUser RingKitTesting; do products+=(--products "$name"); done
code=0
said=$("${SWIFT:-swift}" package diagnose-api-breaking-changes "$last" "${products[@]}" 2>&1) || code=$?
printf '%s\n' "$said"
[ "$code" -ne 0 ] || exit 0
# It ends alike where it could compare nothing.
grep -qE '[1-9][0-9]* breaking changes? detected' <<<"$said" || {
  echo "api: $last could not be compared with; what was said is above" >&2
  exit 1
}
may_break=${version%.*}
[ "${version%%.*}" -eq 0 ] || may_break=${version%%.*}
if [[ $last.x == "$may_break".* ]]; then
  echo "api: $version promises not to break what $last has" >&2
  exit 1
fi
echo "api: breaks against $last, which $version may; CHANGELOG.md names each"
