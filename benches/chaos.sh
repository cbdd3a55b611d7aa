#!/bin/sh
# The long form of tests/pcontrol_chaos.rs: jobs over four ssh hosts whose agents, guards, machines
# and connections fail at random times, with a fence and with kept jobs. It prints what befell them
# and fails at the first job that is lost, done without a reason, or run twice at once.
# Usage: benches/chaos.sh [JOBS [SEED...]]
set -eu
cd "$(dirname "$0")/.."
jobs=${1:-2000}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- 1 2 3
cargo test --quiet --no-run --test pcontrol_chaos
for seed; do
    OUTRIGGER_CHAOS_JOBS=$jobs OUTRIGGER_CHAOS_SEED=$seed \
        OUTRIGGER_CHAOS_SECONDS=${OUTRIGGER_CHAOS_SECONDS:-900} \
        cargo test --quiet --test pcontrol_chaos -- --nocapture --test-threads 1
done
