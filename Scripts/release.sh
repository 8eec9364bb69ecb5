#!/usr/bin/env bash
# release.sh [--check]: makes the annotated tag of the version, after everything that a release needs was checked.
#
# Version.swift has the version (Scripts/version.sh). CHANGELOG.md must have its section, with a date, and nothing above it; README.md
# must tell users to depend on it; the public API may break against the last tag only in another minor version. Then a package
# that depends on the tag is built, run and tested; the tag goes again where that fails. Nothing is pushed.
# --check: what needs neither a build nor a clean tree.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() {
  echo "release: $1" >&2
  exit 1
}

version=$(Scripts/version.sh)
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "'$version' in Version.swift is no version"
top=$(grep -m 1 '^## \[[0-9]' CHANGELOG.md)
[[ $top =~ ^##\ \[$version\]\ -\ [0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] ||
  fail "the newest section of CHANGELOG.md is '$top', not '## [$version] - a date'"
grep -q "from: \"$version\"" README.md || fail "README.md does not tell users to depend on $version"
[ "${1:-}" != --check ] || exit 0

unreleased=$(sed -n '/^## \[Unreleased\]/,/^## \[[0-9]/p' CHANGELOG.md | grep -vc '^##\|^$' || true)
[ "$unreleased" -eq 0 ] || fail "CHANGELOG.md has $unreleased lines under Unreleased: move them to $version, or raise the version"
[ -z "$(git status --porcelain)" ] || fail "the work tree has changes that are not committed"
! git rev-parse -q --verify "refs/tags/$version" >/dev/null || fail "the tag $version is there already; raise the version in Version.swift"
make --no-print-directory lint
Scripts/api-breaks.sh

notes=$(mktemp)
tagged=""
finish() {
  rm -f "$notes"
  # A tag of what was not built, run and tested to the end would be in the way of the next attempt.
  [ -z "$tagged" ] || git tag --delete "$tagged" >/dev/null
}
trap finish EXIT
{
  echo "RingKit $version"
  sed -n "/^## \[$version\]/,/^## \[/p" CHANGELOG.md | grep -v '^## \[' | sed 's/^### \(.*\)/\1:/'
} >"$notes"
git tag --annotate --cleanup=whitespace --file="$notes" "$version"
tagged=$version
Scripts/consumer.sh "$version" || fail "the package that depends on $version failed; the tag is gone again"
tagged=""
echo "release: tagged $version; publish it with 'git push origin $version'"
