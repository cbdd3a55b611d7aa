cd "$or_dir" || exit 1

# A file is there whole or not at all.
or_put() {
    printf '%s\n' "$2" >"$1.tmp" && mv -f "$1.tmp" "$1"
}

# Waits for files that must be there; at most a minute for each.
or_await() {
    for or_file do
        or_left=60
        until [ -e "$or_file" ]; do
            [ "$or_left" -gt 0 ] || return 1
            or_left=$((or_left - 1))
            sleep 1
        done
    done
}

# Runs job $1, and ends it when somebody asks for that.
or_run() {
    or_began=$(date +%s)
    if [ -e "kill.$1" ]; then
        or_put "$1.end" "stopped $or_began $or_began"
        return
    fi
    ( "or_job_$1" ) </dev/null >"$1.out" 2>"$1.err" &
    or_pid=$!
    ( while sleep 2; do [ ! -e "kill.$1" ] || kill -9 "$or_pid" 2>/dev/null; done ) </dev/null >/dev/null 2>&1 &
    or_watch=$!
    wait "$or_pid"
    or_code=$?
    kill "$or_watch" 2>/dev/null
    [ ! -e "$1.blocked" ] || or_code=blocked
    or_put "$1.end" "$or_code $or_began $(date +%s)"
}

# Each worker takes the next job that no other has taken.
if [ "${1:-}" = worker ]; then
    or_next=0
    while [ "$or_next" -lt "$or_jobs" ]; do
        if mkdir "claim.$or_next" 2>/dev/null; then
            or_run "$or_next"
        fi
        or_next=$((or_next + 1))
    done
    exit 0
fi

# Only one copy of this script ever runs the jobs: the one that makes this directory.
mkdir "$or_token.claim" || exit 0
echo "${SLURM_JOB_ID:-${PBS_JOBID:-${OUTRIGGER_JOB_ID:-unknown}}}" >"$or_token.claim/job_id"
or_rank=0
while [ "$or_rank" -lt "$or_ranks" ]; do
    echo "$or_rank /bin/sh job.sh worker"
    or_rank=$((or_rank + 1))
done >workers.conf
or_step </dev/null
or_put ended "$? $(date +%s) $or_token"
