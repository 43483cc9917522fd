#!/bin/sh
# Builds the volatile Rust peer offline from Debian's librust-*-dev packages.
# Prints the path of the binary; where it cannot be built, one line "skipped: ..." on stderr and exit 3.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work="$root/.build/rust-peer"
registry=/usr/share/cargo/registry
packages="librust-hyper-dev librust-tokio-dev librust-serde-dev librust-serde-derive-dev librust-serde-json-dev"

skip() { echo "skipped: the Rust peer: $1" >&2; exit 3; }

command -v cargo >/dev/null 2>&1 || skip "cargo is missing (apt-get install cargo)"
if ! dpkg -s $packages >/dev/null 2>&1; then
  [ "$(id -u)" = 0 ] || skip "packages are missing, as root: apt-get install $packages"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >&2 ||
    skip "apt-get could not install $packages"
fi
[ -d "$registry" ] || skip "$registry does not exist"

# The lock file and the configuration are made where the build output is, so the source tree stays clean.
mkdir -p "$work/src" "$work/.cargo"
cp "$here/Cargo.toml" "$work/"
cp "$here"/src/*.rs "$work/src/"
cat > "$work/.cargo/config.toml" <<CONFIG
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "$registry"
CONFIG
cd "$work"
cargo build --release --offline --quiet >&2 || skip "cargo build failed"
echo "$work/target/release/volatile-peer"
