#!/usr/bin/env bash
# install.sh PREFIX [DESTDIR]: builds ringbench with the Swift runtime linked into it, and installs it below DESTDIR/PREFIX with its
# manual page, completions for bash, zsh and fish, and its licence.
#
# Manual and completions come from the program itself: the page by the tool of swift-argument-parser, the completions by
# --generate-completion-script. What the program still needs of the system is libnuma1, and the C and C++ libraries.
set -euo pipefail
cd "$(dirname "$0")/.."
prefix=${1:?usage: install.sh PREFIX [DESTDIR]}
[[ $prefix == /* ]] || { echo "install: PREFIX is an absolute path, not '$prefix'" >&2; exit 2; }
[[ -z ${2:-} || $2 == /* ]] || { echo "install: DESTDIR is an absolute path, not '$2'" >&2; exit 2; }
[ $# -le 2 ] || { echo "install: PREFIX and DESTDIR, and not '$3' besides" >&2; exit 2; }
root=${2:-}$prefix
# Before minutes of building.
mkdir -p "$root/bin" "$root/share" 2>/dev/null && [ -w "$root/bin" ] && [ -w "$root/share" ] || {
  echo "install: nothing can be written to $root; with PREFIX=\$HOME/.local it can, or 'make dist' and 'sudo tar'" >&2
  exit 1
}

ringbench=$(Scripts/build.sh)
! ldd "$ringbench" | grep -q libswift ||
  { echo "install: this toolchain has no Swift runtime to link into the program (lib/swift_static)" >&2; exit 1; }
"${SWIFT:-swift}" build -c release --static-swift-stdlib --traits default,Bench --product generate-manual >.build/generate-manual.log 2>&1 || {
  cat .build/generate-manual.log >&2
  exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/made"
# The day of the commit: two builds of it make the same page.
day=$(git log -1 --format=%cs 2>/dev/null) || day=$(date +%F)
"$(dirname "$ringbench")/generate-manual" "$ringbench" --authors "The RingKit authors" --date "$day" --output-directory "$work/made"
shown=$("$ringbench" --help | awk '/^[A-Z]+:/ { on = /^SUBCOMMANDS/ } on && /^  [a-z]/ { print $1 }' | tr '\n' ' ')
awk -v shown="$shown" -f Scripts/manual.awk "$work/made/ringbench.1" >"$work/ringbench.1"
for shell in bash zsh fish; do "$ringbench" --generate-completion-script "$shell" >"$work/$shell"; done
# Symbols for a backtrace stay; what only a debugger reads goes.
strip --strip-debug -o "$work/ringbench" "$ringbench" 2>/dev/null || cp "$ringbench" "$work/ringbench"

install -D -m 755 "$work/ringbench" "$root/bin/ringbench"
install -D -m 644 "$work/ringbench.1" "$root/share/man/man1/ringbench.1"
install -D -m 644 "$work/bash" "$root/share/bash-completion/completions/ringbench"
install -D -m 644 "$work/zsh" "$root/share/zsh/site-functions/_ringbench"
install -D -m 644 "$work/fish" "$root/share/fish/vendor_completions.d/ringbench.fish"
for file in LICENSE README.md CHANGELOG.md; do install -D -m 644 "$file" "$root/share/doc/ringbench/$file"; done
echo "install: $("$root/bin/ringbench" --version) in $root" >&2
