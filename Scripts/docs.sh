#!/usr/bin/env bash
# docs.sh: builds the documentation of the five libraries into .build/docs, an archive each; a warning is an error.
#
# Every public type has to stand among the topics of its library's landing page. Look at an archive with
# 'docc preview', or serve its folder: it is transformed for static hosting.
set -euo pipefail
cd "$(dirname "$0")/.."
swift=${SWIFT:-swift}
command -v docc >/dev/null 2>&1 || PATH="$(dirname "$(readlink -f "$(command -v "$swift")")"):$PATH"
libraries=(RingKit RingIOMMU RingPlatform VhostUser RingKitTesting)
modules=.build/debug/Modules
for library in "${libraries[@]}"; do
  # With the traits of the tests, so that both use one build.
  "$swift" build --quiet --traits default,Bench --product "$library" >&2
done
target=$("$swift" -print-target-info | sed -n 's/.*"unversionedTriple" *: *"\(.*\)".*/\1/p')
mkdir -p .build/docs .build/symbols
failed=0
for library in "${libraries[@]}"; do
  graphs=.build/symbols/$library
  rm -rf "$graphs" ".build/docs/$library.doccarchive"
  mkdir -p "$graphs"
  "$swift" symbolgraph-extract -module-name "$library" -target "$target" -I "$modules" -Xcc -I -Xcc Sources/CRing/include \
    -minimum-access-level public -skip-synthesized-members -skip-inherited-docs -output-dir "$graphs"
  python3 Scripts/docs-topics.py "$graphs/$library.symbols.json" "Sources/$library/$library.docc/$library.md" || failed=1
  docc convert "Sources/$library/$library.docc" --additional-symbol-graph-dir "$graphs" \
    --fallback-display-name "$library" --fallback-bundle-identifier "$library" --warnings-as-errors \
    --output-dir ".build/docs/$library.doccarchive" || failed=1
done
[ "$failed" -eq 0 ] || exit 1
echo "docs: ${#libraries[@]} archives in .build/docs, no warning"
