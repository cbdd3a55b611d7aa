#!/bin/sh
# The long form of tests/crash.rs: a driver, a batch job or its supervisor, the server, the link, a
# worker and its coordinator die at every step of a run's life there is, then at random times in ten
# times as many lives as ./test takes, for each seed; each must come to the end of a life without
# death. With the lab up, and OUTRIGGER_LAB its directory, so it is for lives on its Slurm, where
# slurmd dies too. It prints how many deaths there were and fails at the first end that differs.
# Usage: benches/crash.sh [SEED...]
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- 1 2 3
cargo test --quiet --no-run --test crash
export OUTRIGGER_CRASH_FULL=1
cargo test --quiet --test crash -- --nocapture --test-threads 1 whatever whenever
[ -z "${OUTRIGGER_LAB:-}" ] ||
    cargo test --quiet --test lab -- --nocapture --test-threads 1 --skip random lab_crash
for seed; do
    echo "seed $seed"
    OUTRIGGER_CRASH_SEED=$seed cargo test --quiet --test crash -- --nocapture --test-threads 1 random
    [ -z "${OUTRIGGER_LAB:-}" ] ||
        OUTRIGGER_CRASH_SEED=$seed cargo test --quiet --test lab -- --nocapture --test-threads 1 at_random_times
done
