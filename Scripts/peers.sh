#!/usr/bin/env bash
# peers.sh [--quick] [--rounds N] [--only PART]... [--output RESULT.json]: RingKit beside what others built, in turns
# (Scripts/peers/peers.py).
#
# Installs what is missing from Debian packages and holds the result against the schema. A peer that cannot be installed
# is named, and the exit code is 3 after everything else was measured.
# RINGBENCH=PATH: an optimised ringbench that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."
. Scripts/apt.sh

missing=()
# What stands for a package: a program or a file that it brings.
while read -r package proof; do
  command -v "$proof" >/dev/null 2>&1 || compgen -G "$proof" >/dev/null ||
    apt_install peers "$package" "$package is missing; install it" || missing+=(--missing "$package")
done <<'PACKAGES'
python3 python3
gcc gcc
pkg-config pkg-config
dpdk dpdk-testpmd
libdpdk-dev /usr/include/dpdk/rte_ring.h
qemu-system-common qemu-storage-daemon
xz-utils xz
linux-source-6.1 /usr/src/linux-source-6.1.tar.*
PACKAGES

ringbench=${RINGBENCH:-$(Scripts/build.sh)}
output=.build/peers/peers.json
for ((i = 1; i < $#; i++)); do
  [ "${!i}" != --output ] || { next=$((i + 1)) && output=${!next}; }
done
code=0
Scripts/peers/peers.py "$ringbench" "${missing[@]}" "$@" || code=$?
[ "$code" -eq 2 ] || [ ! -e "$output" ] || Scripts/validate.sh "$output" >&2 || [ $? -eq 77 ] || code=1
exit "$code"
