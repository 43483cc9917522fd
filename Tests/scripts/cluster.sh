#!/bin/bash
# Three members of etcd and three nodes of Berth on this machine, for a first try: `make cluster`.
# Everything is below ./berth-cluster and stays there: the next start goes on with it. Ctrl-C stops everything.
# TLS=1: everybody shows a certificate of a CA made for it, in certs of the directory (then ./berth-cluster-tls).
# FLEET=1: with a fleet of simulated nodes beside it, 21 of them in three datacenters, and a pool for their VMs.
#   CLUSTER_DIRECTORY       the directory (./berth-cluster)
#   CLUSTER_PORT  the first node's port (8081); etcd is 10,000 above it
#   FLEET_NODES   nodes in each of the three datacenters (7)
set -uo pipefail
binary=${1:-.build/release/berth}
scheme=http
[ "${TLS:-}" = 1 ] && scheme=https
directory=${CLUSTER_DIRECTORY:-./berth-cluster$([ $scheme = https ] && echo -tls)}
first=${CLUSTER_PORT:-8081}
etcd=$(type -P etcd) || { echo "there is no etcd here: apt-get install etcd-server" >&2; exit 1; }
[ -x "$binary" ] || { echo "there is no $binary: make build" >&2; exit 1; }
mkdir -p "$directory" || exit 1
declare -A names=()
nodes=() members=() agents=()
each=${FLEET_NODES:-7}
. "$(dirname "$0")/agents.sh"

stop() {
  trap - EXIT INT TERM
  end "${agents[@]}"
  end "${nodes[@]}"
  end "${members[@]}"
  echo "all stopped; the data is in $directory"
}
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM
trap stop EXIT

client() { echo "$scheme://127.0.0.1:$((first + 9999 + $1))"; }
peer() { echo "$scheme://127.0.0.1:$((first + 10999 + $1))"; }
all="etcd-1=$(peer 1),etcd-2=$(peer 2),etcd-3=$(peer 3)"
certs=$directory/certs
member_papers=() node_papers=() show=() ask=()
if [ $scheme = https ]; then
  if [ ! -e "$certs/ca.pem" ]; then
    "$binary" cert ca --dir "$certs" >/dev/null || exit 1
    "$binary" cert agent me --dir "$certs" >/dev/null || exit 1
    for number in 1 2 3; do "$binary" cert node "node-$number" --dir "$certs" --ip 127.0.0.1 >/dev/null || exit 1; done
  fi
  show=(--cacert "$certs/ca.pem" --cert "$certs/me.pem" --key "$certs/me.key")
  ask=(--ca "$certs/ca.pem" --cert "$certs/me.pem" --key "$certs/me.key")
fi
# What member and node of this number show: one certificate for both, which serves clients and servers.
papers() {
  [ $scheme = https ] || return 0
  local own=$certs/node-$1
  member_papers=(--client-cert-auth --trusted-ca-file "$certs/ca.pem" --cert-file "$own.pem" --key-file "$own.key"
    --peer-client-cert-auth --peer-trusted-ca-file "$certs/ca.pem" --peer-cert-file "$own.pem" --peer-key-file "$own.key")
  node_papers=(--tls-cert "$own.pem" --tls-key "$own.key" --tls-client-ca "$certs/ca.pem" --auth required
    --etcd-ca "$certs/ca.pem" --etcd-cert "$own.pem" --etcd-key "$own.key")
}
for number in 1 2 3; do
  papers $number
  # The short times are what a change of leaders under five seconds rests on; over slow networks they must be longer.
  "$etcd" --name "etcd-$number" --data-dir "$directory/etcd-$number" \
    --listen-client-urls "$(client $number)" --advertise-client-urls "$(client $number)" \
    --listen-peer-urls "$(peer $number)" --initial-advertise-peer-urls "$(peer $number)" \
    --initial-cluster "$all" --initial-cluster-token berth --initial-cluster-state new \
    --election-timeout 500 --heartbeat-interval 50 --pre-vote --quota-backend-bytes 2147483648 \
    --logger zap --log-level error "${member_papers[@]}" >>"$directory/etcd-$number.log" 2>&1 &
  members+=($!)
  started "etcd-$number (see $directory/etcd-$number.log)"
done
healthy=
for _ in $(seq 150); do
  curl -sf -m 1 "${show[@]}" "$(client 1)/health" 2>/dev/null | grep -q true && { healthy=1; break; }
  sleep 0.1
done
[ -n "$healthy" ] || { echo "etcd did not come up: see $directory/etcd-1.log" >&2; exit 1; }
for number in 1 2 3; do
  papers $number
  "$binary" serve --listen "127.0.0.1:$((first - 1 + number))" --data-dir "$directory/node-$number" \
    --etcd "$(client 1),$(client 2),$(client 3)" --node "node-$number" "${node_papers[@]}" \
    >"$directory/node-$number.out" 2>>"$directory/node-$number.log" &
  nodes+=($!)
  started "node-$number (see $directory/node-$number.log)"
done
urls=()
for number in 1 2 3; do
  served=
  for _ in $(seq 300); do
    grep -qs "^berth serves" "$directory/node-$number.out" && { served=1; break; }
    kill -0 "${nodes[$((number - 1))]}" 2>/dev/null || break
    sleep 0.1
  done
  [ -n "$served" ] || { echo "node-$number did not come up:" >&2; tail -3 "$directory/node-$number.log" >&2; exit 1; }
  urls+=("$scheme://127.0.0.1:$((first - 1 + number))")
done
token=$(ls "$directory"/node-*/admin.token 2>/dev/null | head -1)
[ -z "$token" ] || ask+=(--token-file "$token")
asks="--server $(IFS=,; echo "${urls[*]}")${ask[*]:+ ${ask[*]}}"
bearer=${token:+" -H \"Authorization: Bearer \$(cat $token)\""}
fleet=
if [ "${FLEET:-}" = 1 ]; then
  fleet "${urls[@]}" || exit 1
  fleet="fleet:        $((3 * each)) simulated nodes in dc-1, dc-2 and dc-3, 16 vCPUs and 64G each; pool edge, 10.1.0.0/16
              $binary vm create web-1 --vcpus 2 --memory 4G --ip-pool edge --wait $asks
"
fi
cat <<TEXT
three nodes:  ${urls[*]}
three etcd:   $(client 1) $(client 2) $(client 3)
try:          curl -s${show[*]:+ ${show[*]}}$bearer -X POST ${urls[1]}/api/v1/ip/allocate -H 'Content-Type: application/json' -d '{"vm_id":"vm-1"}'
              $binary cluster status $asks
              kill -9 ${nodes[0]}   # node-1; any one of the six processes may go
${fleet}Ctrl-C stops everything; the data stays in $directory
TEXT
watch
