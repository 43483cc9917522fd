#!/bin/bash
# The slow parts of the proof: `make test-all`, or Tests/slow.sh PART... for some of them. Each part prints one line:
# what it found and how long it took, or why it was skipped. Whatever is downloaded goes below .build. On two cores all
# of it takes about 30 minutes: release 1 to 4, seeds 3, crash_loop 7, power_cut 2, schemathesis 2, fuzz 5, threads 5, soak 2.
#   BERTH_FUZZ_SECONDS  time for each fuzz target (20)
#   BERTH_EXAMPLES      examples for each operation of the API (60)
#   BERTH_POWER_CUTS    moments at which each of the tests cuts the power (400)
#   BERTH_SOAK          requests of the soak (300000: a fifth of less than that is not settled yet; a release is soaked with 1000000)
#   BERTH_PART_SECONDS  the longest that one program of a part may run (1800)
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p .build/slow
binary=$PWD/.build/release/berth
failed=0
begun=$SECONDS
say() { printf '%-8s %-13s %5s s  %s\n' "$1" "$2" $((SECONDS - begun)) "$3"; }
pass() { say ok "$1" "$2"; }
skip() { say skipped "$1" "$2"; }
fail() { say FAILED "$1" "$2"; failed=1; }
log() { echo ".build/slow/$1.log"; }
limited() { timeout -k 20 "${BERTH_PART_SECONDS:-1800}" "$@"; }

# Starts the release binary on a free port with a fresh directory: sets $url, $server, $data.
serve() {
  data=$(mktemp -d /tmp/berth-slow-XXXXXX)
  "$binary" serve --data-dir "$data/data" --port 0 "$@" >"$data/out" 2>"$data/err" &
  server=$!
  for _ in $(seq 200); do grep -q '^try:' "$data/out" && break; sleep 0.05; done
  url=$(sed -n 's/^berth serves \([^ ]*\) .*/\1/p' "$data/out")
  [ -n "$url" ]
}
unserve() { kill -TERM "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$data"; }

release() {
  if limited make build >"$(log release)" 2>&1; then pass release "$(stat -c %s "$binary") bytes"; else fail release "see $(log release)"; fi
}

seeds() { # random tests, which `make test` begins with the same seed, from new ones
  if limited swift test --filter 'Addressing|Config|Domain|Ledger|Placement|Wire|LogTests|HistoryModel' >"$(log seeds)" 2>&1; then
    pass seeds "$(grep -aoE 'Test run with [0-9]+ tests' "$(log seeds)" | tail -1), $(grep -ac 'BERTH_SEED=' "$(log seeds)") new seeds"
  else fail seeds "see $(log seeds)"; fi
}

crash_loop() { # every N, on the release binary
  # Apart: the loop takes all processors for minutes, and the others have a time limit.
  if BERTH_CRASH_LOOP=full BERTH_BINARY=$binary limited swift test --filter CrashLoop >"$(log crash_loop)" 2>&1 &&
    BERTH_BINARY=$binary limited swift test --skip-build --filter 'DiskTests|RestartTests' >"$(log disk)" 2>&1; then
    pass crash_loop "$(grep -oE '[0-9]+ faults' "$(log crash_loop)" | awk '{n += $1} END {print n}') faults, \
$(grep -oE '[0-9]+ answers' "$(log crash_loop)" | awk '{n += $1} END {print n}') answers all kept"
  else fail crash_loop "see $(log crash_loop) and $(log disk)"; fi
}

power_cut() { # disks as a power cut may leave them, at many moments, on the release binary
  if BERTH_POWER_CUTS=${BERTH_POWER_CUTS:-400} BERTH_BINARY=$binary limited swift test --filter PowerCut >"$(log power_cut)" 2>&1; then
    pass power_cut "$(grep -oE '[0-9]+ cuts' "$(log power_cut)" | awk '{n += $1} END {print n}') cuts, \
$(grep -oE '[0-9]+ answers' "$(log power_cut)" | awk '{n += $1} END {print n}') answers all kept"
  else fail power_cut "see $(log power_cut)"; fi
}

schemathesis() { # the API against its own description
  local venv=.build/slow/venv
  if [ ! -x $venv/bin/schemathesis ] && ! { python3 -m venv $venv && limited $venv/bin/pip -q install 'schemathesis>=4,<5'; } \
    >"$(log schemathesis)" 2>&1; then
    skip schemathesis "it cannot be installed from PyPI, see $(log schemathesis)"
    return
  fi
  serve || { fail schemathesis "no server"; return; }
  if limited Tests/scripts/schemathesis.sh $venv/bin/schemathesis "$url" "${BERTH_EXAMPLES:-60}" >"$(log schemathesis)" 2>&1; then
    pass schemathesis "$(grep -aE 'Test cases|cases generated|passed' "$(log schemathesis)" | tail -1 | tr -s ' ')"
  else fail schemathesis "see $(log schemathesis)"; fi
  unserve
}

# Sets $tool to promtool: the installed one, or the one of Debian's package unpacked below .build.
find_promtool() {
  tool=$(type -P promtool) && return
  tool=$PWD/.build/slow/prometheus/usr/bin/promtool
  [ -x "$tool" ] && return
  mkdir -p .build/slow/prometheus
  (cd .build/slow/prometheus && limited apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb .) >"$(log metrics)" 2>&1
}

metrics() { # metrics that Prometheus's own linter likes, but for the four names that are given
  local tool others
  find_promtool || { skip metrics "Debian's package prometheus cannot be fetched, see $(log metrics)"; return; }
  serve || { fail metrics "no server"; return; }
  curl -sf -X POST "$url/api/v1/ip/allocate" -H 'Content-Type: application/json' -d '{"vm_id":"vm-1"}' >/dev/null
  curl -sf "$url/metrics" >.build/slow/metrics.txt
  unserve
  [ "$(grep -c '^ip_pool_' .build/slow/metrics.txt)" -gt 4 ] || { fail metrics "there are hardly any"; return; }
  limited "$tool" check metrics <.build/slow/metrics.txt >"$(log metrics)" 2>&1
  others=$(grep -vE '^ip_pool_(capacity_total|allocated_count|allocation_duration|allocation_errors)\b' "$(log metrics)")
  if [ -z "$others" ]; then pass metrics "nothing but $(grep -c . "$(log metrics)") remarks on the given names"
  else fail metrics "$(head -1 <<<"$others")"; fi
}

fuzz() { # every parser
  local target seconds=${BERTH_FUZZ_SECONDS:-20} done=()
  for target in $(cd Fuzz && echo *.swift); do
    target=${target%.swift}
    limited Fuzz/build.sh "$target" >"$(log "fuzz-$target")" 2>&1 || { fail fuzz "$target does not build, see $(log "fuzz-$target")"; continue; }
    mkdir -p ".build/fuzz/corpus-$target"
    # An input that takes longer than this is a finding too.
    if SWIFT_BACKTRACE=enable=no limited ".build/fuzz/$target" -max_total_time="$seconds" -timeout=20 \
      -artifact_prefix=".build/fuzz/$target-" ".build/fuzz/corpus-$target" >>"$(log "fuzz-$target")" 2>&1; then
      done+=("$target $(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$(log "fuzz-$target")")")
    else fail fuzz "$target found something, see $(log "fuzz-$target")"; fi
  done
  [ ${#done[@]} = 0 ] || pass fuzz "$(IFS=,; echo "inputs: ${done[*]}"), $seconds s each"
}

image() { # the files of the container image
  if limited Tests/image.sh >"$(log image)" 2>&1; then
    if grep -q skipped "$(log image)"; then skip image "$(sed 's/^image: skipped, //' "$(log image)")"
    else pass image "$(sed -n 's/^image: //p' "$(log image)")"; fi
  else fail image "$(tail -1 "$(log image)")"; fi
}

threads() { # data races
  if limited swift test --sanitize=thread --scratch-path .build-thread --filter 'EngineTests|HTTPTests|LogTests' \
    >"$(log threads)" 2>&1 && ! grep -q 'ThreadSanitizer: ' "$(log threads)"; then
    pass threads "$(grep -aoE 'Test run with [0-9]+ tests' "$(log threads)" | tail -1), no race"
  else fail threads "see $(log threads)"; fi
}

soak() { # a long run at constant fullness: what the process holds must not grow
  serve --network 10.0.0.0/16 || { fail soak "no server"; return; }
  if limited Tests/scripts/soak.py "$url" "$server" "${BERTH_SOAK:-300000}" >"$(log soak)" 2>&1; then
    pass soak "$(tail -1 "$(log soak)")"
  else fail soak "$(tail -1 "$(log soak)"); see $(log soak)"; fi
  unserve
}

chaos() { # every kind of fault once, on a real cluster in network namespaces
  if ! limited swift build -c release --product berth-histories >"$(log chaos)" 2>&1; then
    fail chaos "berth-histories does not build, see $(log chaos)"
    return
  fi
  limited Tests/chaos/chaos.py --binary "$binary" --out .build/slow/chaos >"$(log chaos)" 2>&1
  case $? in
    0) pass chaos "$(sed -n 's/^chaos: //p' "$(log chaos)")" ;;
    77) skip chaos "$(sed -n 's/^skipped: //p' "$(log chaos)")" ;;
    *) fail chaos "$(grep -m1 -E '^VIOLATION|Error' "$(log chaos)"); see $(log chaos)" ;;
  esac
}

all=(release seeds crash_loop power_cut schemathesis metrics fuzz image threads soak chaos)
parts=("$@")
[ $# -gt 0 ] || parts=("${all[@]}")
for part in "${parts[@]}"; do
  [[ " ${all[*]} " == *" $part "* ]] || { echo "no part is called $part; there are: ${all[*]}" >&2; exit 2; }
done
for part in "${parts[@]}"; do
  begun=$SECONDS
  "$part"
done
exit $failed
