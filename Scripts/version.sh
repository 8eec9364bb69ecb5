#!/bin/sh
# Prints the version of this package: it stands in Sources/BenchHarness/Machine/Version.swift and nowhere else.
set -eu
cd "$(dirname "$0")/.."
sed -n 's/.*static let ringKit = "\(.*\)".*/\1/p' Sources/BenchHarness/Machine/Version.swift
