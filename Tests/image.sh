#!/bin/bash
# What `docker run` would do, without a container engine: the files of the image in a directory, the process in a chroot
# as a user without rights and with the image's environment alone. Prints the image's size (to beat: 32 MB, 9 MB compressed).
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${1:-.build/release/berth}
[ -x "$binary" ] || { echo "image: $binary is missing: run make build" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "image: skipped, chroot needs root"; exit 0; }
root=$(mktemp -d /tmp/berth-image-XXXXXX)
server=
finish() {
  [ -z "$server" ] || kill -TERM "$server" 2>/dev/null || true
  [ -z "$server" ] || wait "$server" 2>/dev/null || true
  rm -rf "$root" "$root.out"
}
trap finish EXIT
Tests/image-root.sh "$binary" "$root"
raw=$(du -sb --apparent-size "$root" | cut -f1)
compressed=$(tar -C "$root" -cf - . | gzip -9 | wc -c)

in_image() { # arguments: those after the image's name in `docker run`
  # A container has a /proc, and Swift reads a program's arguments from there; the mount goes with the process.
  exec unshare --mount sh -c 'mount -t proc proc "$1/proc" && shift && exec env -i "$@"' sh "$root" \
    BERTH_LISTEN=127.0.0.1:$port BERTH_INSECURE=1 BERTH_DATA_DIR=/data BERTH_SERVER=http://127.0.0.1:$port \
    "$(command -v chroot)" --userspec=65532:65532 "$root" /berth "$@"
}

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$root/proc"
unshare --mount true 2>/dev/null || { echo "image: skipped, no right to mount a /proc"; exit 0; }
in_image --network 10.7.0.0/16 >"$root.out" 2>&1 &
server=$!
for _ in $(seq 200); do grep -q 'berth serves' "$root.out" && break; kill -0 "$server" 2>/dev/null || break; sleep 0.05; done
answer=$(curl -sf -X POST "http://127.0.0.1:$port/api/v1/ip/allocate" -H 'Content-Type: application/json' \
  -d '{"vm_id":"vm-1"}') || { echo "image: the server does not answer" >&2; cat "$root.out" >&2; exit 1; }
[[ $answer == *'"ip":"10.7.0.2"'* ]] || { echo "image: $answer is not what --network asked for" >&2; exit 1; }
(in_image pool list) | grep -q 10.7.0.0/16 || { echo "image: pool list does not work" >&2; exit 1; }
kill -TERM "$server"
wait "$server" || { echo "image: did not stop in good order" >&2; exit 1; }
server=
[ "$(stat -c %u "$root/data/log.db")" = 65532 ] || { echo "image: the log belongs to somebody else" >&2; exit 1; }
echo "image: $(find "$root" -type f ! -path "$root/data/*" | wc -l) files, $((raw / 1000)) kB, $((compressed / 1000)) kB compressed; \
serves as user 65532, gives an address, lists pools"
