#!/bin/bash
# Builds a fuzz target of the Wire room outside the package, since SwiftPM renames `main`:
#   Fuzz/build.sh HTTPParserFuzz && SWIFT_BACKTRACE=enable=no .build/fuzz/HTTPParserFuzz -max_total_time=30
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?"which target? one of: $(cd Fuzz && echo *.swift | sed 's/\.swift//g')"}
mkdir -p .build/fuzz
swiftc -O -swift-version 6 -package-name berth -sanitize=fuzzer,address -parse-as-library \
  Sources/Wire/*.swift "Fuzz/$target.swift" -o ".build/fuzz/$target"
