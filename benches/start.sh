#!/bin/sh
# Start of the program: mean wall time of `outrigger --version`, next to /bin/true in the same run.
# Usage: benches/start.sh [RUNS]
set -eu
cd "$(dirname "$0")/.."
runs=${1:-500}
cargo build --release --quiet
time_of() {
    begin=$(date +%s%N)
    i=0
    while [ "$i" -lt "$runs" ]; do
        "$@" >/dev/null
        i=$((i + 1))
    done
    end=$(date +%s%N)
    echo $(((end - begin) / runs / 1000))
}
ours=$(time_of target/release/outrigger --version)
peer=$(time_of /bin/true)
echo "outrigger --version  ${ours} us"
echo "/bin/true            ${peer} us"
echo "difference           $((ours - peer)) us (aim: under 10000)"
