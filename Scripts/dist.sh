#!/usr/bin/env bash
# dist.sh: a tarball of what 'make install' installs, and its checksum, in .build/dist. Prints its path.
#
# It runs on any Linux of this architecture with C and C++ libraries as new as this machine's, and libnuma1.
set -euo pipefail
cd "$(dirname "$0")/.."
name=ringbench-$(Scripts/version.sh)-$(uname -m)-linux
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
Scripts/install.sh "/$name" "$work"
mkdir -p .build/dist
# The same files make the same tarball.
stamp=$(git log -1 --format=%ct 2>/dev/null) || stamp=0
tar --sort=name --mtime="@$stamp" --owner=0 --group=0 --numeric-owner -C "$work" -czf ".build/dist/$name.tar.gz" "$name"
(cd .build/dist && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
echo ".build/dist/$name.tar.gz"
