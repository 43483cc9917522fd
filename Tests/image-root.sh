#!/bin/bash
# Assembles the files of the container image: image-root.sh BINARY DIRECTORY
# The binary, what the dynamic linker says it needs, and an empty /data and /tmp for the user 65532.
set -euo pipefail
binary=$1
root=$2
user=65532
rm -rf "$root"
mkdir -p "$root/etc" "$root/data" "$root/tmp"
cp "$binary" "$root/berth"
# `ldd` prints `name => path (address)` for libraries and `path (address)` for the linker itself.
ldd "$binary" | grep -oE '/[^ ]+' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
printf 'berth:x:%s:%s::/data:/berth\n' "$user" "$user" >"$root/etc/passwd"
printf 'berth:x:%s:\n' "$user" >"$root/etc/group"
chmod 1777 "$root/tmp"
# Only root can give a directory away; in the build stage that is who runs this.
if [ "$(id -u)" = 0 ]; then chown "$user:$user" "$root/data"; fi
