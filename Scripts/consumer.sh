#!/usr/bin/env bash
# consumer.sh [TAG]: a package that depends on this one by version, as a user writes it, is built, run and tested.
#
# Its programs and tests are the Swift blocks of the pages (Scripts/blocks.py), and it imports every library. It depends on a clone
# of this repository at TAG, or at the current commit, tagged there with the version. Fails where it fetches another package.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(Scripts/version.sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

package=$work/RingKit
git clone --quiet . "$package"
if [ -n "${1:-}" ]; then
  [ "$1" = "$version" ] || { echo "consumer: $1 is not the version, $version" >&2; exit 2; }
else
  git -C "$package" tag --force "$version" >/dev/null
fi
user=$work/consumer
python3 Scripts/blocks.py swift "$user" "file://$package"
"${SWIFT:-swift}" build --package-path "$user" --build-tests
for manifest in "$user"/Manifests/*/; do "${SWIFT:-swift}" package --package-path "$manifest" dump-package >/dev/null; done
while read -r program; do
  echo "consumer: $program"
  timeout 60 "$user/.build/debug/$program"
done <"$user/run"
if [ -d "$user/Tests" ]; then "${SWIFT:-swift}" test --package-path "$user" --skip-build --disable-xctest; fi
fetched=$(ls "$user/.build/checkouts")
[ "$fetched" = RingKit ] || {
  echo "consumer: a package that depends on the libraries fetches more than them:" $fetched >&2
  exit 1
}
