#!/bin/sh
# Runs a command with an address for a VM, and gives the address back when the command ends, however it ends:
#   vm-run.sh vm-1 'echo "my address is $VM_IP"'
# BERTH_SERVER is the server, http://127.0.0.1:8080 when unset; JSON_READER is jq (default) or python3.
set -eu
server=${BERTH_SERVER:-http://127.0.0.1:8080}
vm=$1
command=$2

field() { # the field $1 of the JSON on standard input
  if [ "${JSON_READER:-jq}" = jq ]; then jq -r ".$1"; else python3 -c "import json,sys; print(json.load(sys.stdin)['$1'])"; fi
}

VM_IP=$(curl -sf -X POST "$server/api/v1/ip/allocate" -H 'Content-Type: application/json' \
  -d "{\"vm_id\":\"$vm\"}" | field ip)
export VM_IP
trap 'curl -sf -X DELETE "$server/api/v1/ip/release/$vm" >/dev/null' EXIT
trap 'exit 130' INT TERM
sh -c "$command"
