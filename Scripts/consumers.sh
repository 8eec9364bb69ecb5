#!/usr/bin/env bash
# Brings the programs that the tests of reports and exports read them with: without one its tests are skipped, and say so.
# Python modules go into .build/consumers, and nowhere else.
set -euo pipefail
cd "$(dirname "$0")/.."
. Scripts/apt.sh

while read -r package proof; do
  command -v "$proof" >/dev/null 2>&1 || apt_install consumers "$package" "$package is missing; install it"
done <<'PACKAGES'
python3 python3
libxml2-utils xmllint
chromium chromium
PACKAGES

modules=(prometheus_client duckdb hdrhistogram)
venv=.build/consumers
if ! "$venv/bin/python3" -c "import prometheus_client, duckdb, hdrh" 2>/dev/null; then
  echo "consumers: installing ${modules[*]}" >&2
  rm -rf "$venv"
  python3 -m venv "$venv" 2>/dev/null || {
    apt_install consumers python3-venv "python3-venv is missing; install it"
    python3 -m venv "$venv"
  }
  "$venv/bin/python3" -m pip install --quiet --disable-pip-version-check "${modules[@]}"
fi
