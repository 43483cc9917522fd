#!/bin/bash
# One Berth and a simulated fleet on this machine, for a first try: `make fleet`.
# Everything is below ./berth-fleet and stays there: the next start goes on with it. Ctrl-C stops everything.
#   FLEET_DIRECTORY  the directory (./berth-fleet)
#   FLEET_PORT       the port of Berth (8080)
#   FLEET_NODES      nodes in each of the three datacenters (7)
set -uo pipefail
binary=${1:-.build/release/berth}
directory=${FLEET_DIRECTORY:-./berth-fleet}
port=${FLEET_PORT:-8080}
each=${FLEET_NODES:-7}
url=http://127.0.0.1:$port
[ -x "$binary" ] || { echo "there is no $binary: make build" >&2; exit 1; }
mkdir -p "$directory" || exit 1
declare -A names=()
server= agents=() ask=()
. "$(dirname "$0")/agents.sh"

stop() {
  trap - EXIT INT TERM
  end "${agents[@]}"
  end $server
  echo "all stopped; the data is in $directory, the simulated VMs are gone"
}
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM
trap stop EXIT

"$binary" serve --listen "127.0.0.1:$port" --data-dir "$directory/data" \
  >"$directory/serve.out" 2>>"$directory/serve.log" &
server=$!
started "Berth (see $directory/serve.log)"
served=
for _ in $(seq 300); do
  grep -qs "^berth serves" "$directory/serve.out" && { served=1; break; }
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
[ -n "$served" ] || { echo "Berth did not come up:" >&2; tail -3 "$directory/serve.log" >&2; exit 1; }
fleet "$url" || exit 1
cat <<TEXT
Berth:        $url
fleet:        $((3 * each)) simulated nodes in dc-1, dc-2 and dc-3; 16 vCPUs and 64G each
pool:         edge, 10.1.0.0/16
try:          export BERTH_SERVER=$url
              $binary vm create web-1 --vcpus 2 --memory 4G --ip-pool edge --ip 10.1.0.9 --wait
              $binary vm create app --count 6 --vcpus 1 --memory 1G --ip-pool edge --group app --spread-of app:datacenter:3 --failover restart
              $binary vm list
              $binary vm why web-1
              $binary plan what-if lose dc-1
              kill -9 ${agents[0]}   # dc-1 falls silent; in 20 s its VMs of app run elsewhere, but for the last: app is to be in 3 datacenters
guide:        docs/guide-fleet.md
Ctrl-C stops everything; the data stays in $directory
TEXT
watch
