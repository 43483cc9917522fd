#!/bin/bash
# Writes Benchmarks/functions.txt: the functions that a server runs from its start through some thousand requests, as
# callgrind sees them. The linker puts them beside each other (Package.swift), so that the rest of the program need not
# be in memory: 4.6 MiB less resident when idle. An old list is no harm: a name that is gone is passed over, a new
# function lies with the others. Wants valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."
type -P valgrind >/dev/null || { echo "there is no valgrind here: apt-get install valgrind" >&2; exit 1; }
for product in berth berth-bench; do
  BERTH_STATIC=1 swift build -c release --product $product --static-swift-stdlib
done
place=$(mktemp -d /tmp/berth-functions-XXXXXX)
port=18999
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$place"' EXIT
# Valgrind reads no debug information of this compiler's form.
strip -g -o "$place/berth" .build/release/berth
valgrind --tool=callgrind --demangle=no --callgrind-out-file="$place/seen" \
  "$place/berth" serve --data-dir "$place/data" --port $port -n 10.0.0.0/8 >"$place/out" 2>&1 &
server=$!
for _ in $(seq 240); do curl -sf "127.0.0.1:$port/healthz" >/dev/null && break; sleep 0.25; done
load=(.build/release/berth-bench load --port $port --connections 16)
"${load[@]}" --path /api/v1/ip/allocate --method POST --body '{"vm_id":"vm-%n"}' --expect 201 --count 1500
"${load[@]}" --path /api/v1/ip/vm-%r --random-range 1000 --count 3000
for path in metrics api/v1/health readyz; do curl -sf "127.0.0.1:$port/$path" >/dev/null; done
kill -TERM "$server"
wait "$server"
server=
# The names of functions that ran, as far as they are the program's own.
LC_ALL=C comm -12 \
  <(sed -nE "s/^c?fn=\([0-9]+\) ([^ ']+).*/\1/p" "$place/seen" | LC_ALL=C sort -u) \
  <(nm "$place/berth" | awk '$2 ~ /[tTwW]/ {print $3}' | LC_ALL=C sort -u) >Benchmarks/functions.txt
wc -l Benchmarks/functions.txt
