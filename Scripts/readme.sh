#!/usr/bin/env bash
# readme.sh [--check]: puts the figures of the newest committed results into the pages that show them, and draws the pictures.
#
# Scripts/readme.py says which pages, and between which markers. With --check it writes nothing, and fails where a figure is stale.
# RINGBENCH=PATH: a ringbench that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."
. Scripts/apt.sh
command -v python3 >/dev/null 2>&1 || apt_install readme python3 "python3 is missing; install it"
exec python3 Scripts/readme.py "${RINGBENCH:-$(Scripts/build.sh)}" "$@"
