#!/bin/bash
# Builds a fuzz target outside the package, since SwiftPM renames `main`:
#   Fuzz/build.sh HTTPParserFuzz && SWIFT_BACKTRACE=enable=no .build/fuzz/HTTPParserFuzz -max_total_time=30
#
# A target names the sources it fuzzes in its first line: `// fuzzes: Sources/Wire`. Rooms and single files are compiled
# together with it as one module, without the imports of one another, so that what is private to a room can be reached.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?"which target? one of: $(cd Fuzz && echo *.swift | sed 's/\.swift//g')"}
fuzzed=$(sed -n '1s|^// fuzzes: ||p' "Fuzz/$target.swift")
[ -n "$fuzzed" ] || { echo "Fuzz/$target.swift does not say in its first line what it fuzzes" >&2; exit 1; }
program=.build/fuzz/$target
if [ -x "$program" ] && [ -z "$(find $fuzzed "Fuzz/$target.swift" Fuzz/build.sh Sources/C -newer "$program" -print -quit)" ]; then
  exit 0
fi
modules=$(basename -a Sources/*/ | grep -vx C | paste -sd'|')
copy=.build/fuzz/$target-sources
rm -rf "$copy"
mkdir -p "$copy"
for place in $fuzzed; do
  find "$place" -name '*.swift' | while read -r file; do
    # One name a module: the path with its slashes turned into dashes.
    sed -E "s/^(internal |package )?import ($modules)\$//" "$file" >"$copy/$(tr / - <<<"${file#Sources/}")"
  done
done
flags=()
for room in Sources/C/*/; do
  flags+=(-I "${room}include")
  for file in "$room"*.c; do
    gcc -c -O2 -I "${room}include" "$file" -o "$copy/$(basename "$file" .c).o"
    flags+=("$copy/$(basename "$file" .c).o")
  done
done
swiftc -O -wmo -swift-version 6 -package-name berth -module-name "$target" -sanitize=fuzzer,address -parse-as-library \
  "${flags[@]}" -lssl -lcrypto -lzstd -suppress-warnings "$copy"/*.swift "Fuzz/$target.swift" -o "$program"
