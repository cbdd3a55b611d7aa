#!/bin/sh
# The long form of tests/crash.rs: a driver, a batch job or its supervisor dies at every step of a
# run's life there is, then at random times in 30 lives; each must come to the end of a life without
# death. It prints how many deaths there were and fails at the first end that differs.
# Usage: benches/crash.sh [SEED...]
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- 1 2 3
cargo test --quiet --no-run --test crash
export OUTRIGGER_CRASH_FULL=1
cargo test --quiet --test crash -- --nocapture whatever_dies
for seed; do
    OUTRIGGER_CRASH_SEED=$seed cargo test --quiet --test crash -- --nocapture two_drivers
done
