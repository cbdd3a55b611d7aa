# Run {{ run_id }}; run.yaml says what was decided for it.
{% for line in environment %}{{ line | safe }}
{% endfor %}{% for module in modules %}module load {{ module }}
{% endfor %}set -u

cd {{ dir }} || exit 1
or_token={{ token }}

# A marker is there whole or not at all.
or_mark() {
    printf '%s\n' "$2" >"$1.tmp" && mv -f "$1.tmp" "$1"
}

# Makes the directory that only one copy of this script can make.
or_claim() {
    if ! mkdir "$1"; then
        if [ -d "$1" ]; then
            echo "outrigger: $or_token is claimed by another copy of this batch job; nothing to do"
            exit 0
        fi
        echo "outrigger: $or_token cannot be claimed in $PWD" >&2
        exit 1
    fi
}

{% if tasks %}# The job is an array, of which this is one task.
or_task=${OUTRIGGER_ARRAY_TASK_ID:-${SLURM_ARRAY_TASK_ID:-${MOAB_JOBARRAYINDEX:-${PBS_ARRAYID:-}}}}
or_array=${OUTRIGGER_ARRAY_JOB_ID:-${SLURM_ARRAY_JOB_ID:-${MOAB_JOBID:-${PBS_JOBID:-unknown}}}}
or_array=${or_array%%\[*}
case $or_task in
'' | *[!0-9]*)
    echo "outrigger: the scheduler does not say which task of the array this is: '$or_task'" >&2
    exit 1
    ;;
esac

# Only one copy of the array ever runs jobs: the one whose first task makes this directory.
if mkdir "$or_token.claim" 2>/dev/null; then
    or_mark "$or_token.claim/job_id" "$or_array"
fi
or_waited=0
until [ -s "$or_token.claim/job_id" ]; do
    or_waited=$((or_waited + 1))
    if [ ! -d "$or_token.claim" ] || [ "$or_waited" -gt 60 ]; then
        echo "outrigger: $or_token cannot be claimed in $PWD, or the task that claimed it has died" >&2
        exit 1
    fi
    sleep 1
done
read -r or_owner <"$or_token.claim/job_id"
if [ "$or_owner" != "$or_array" ]; then
    echo "outrigger: $or_token is claimed by $or_owner, another copy of this array; nothing to do"
    exit 0
fi
or_claim "$or_token.claim/$or_task"
exec >>"batch.$or_task.out" 2>&1
or_part=.$or_task
{% else %}# Only one copy of this script ever runs the jobs.
or_claim "$or_token.claim"
echo "${SLURM_JOB_ID:-${PBS_JOBID:-${OUTRIGGER_JOB_ID:-unknown}}}" >"$or_token.claim/job_id"
or_part=
{% endif %}
OR_ATTEMPT=${or_token#or-*-}
OR_ATTEMPT=${OR_ATTEMPT%%-*}
export OR_ATTEMPT
or_steps=$or_token.steps$or_part
mkdir -p log "$or_steps"

or_status=0
or_pid=
or_step=0

or_end() {
    rm -rf "$or_steps"
    or_mark "ended$or_part" "$1 $(date +%s) $or_token"
    exit "$1"
}

or_stop() {
    trap '' TERM INT HUP
    [ -z "$or_lanes" ] || kill $or_lanes 2>/dev/null
    wait
    or_end 143
}

or_stop_lane() {
    trap '' TERM INT HUP
    if [ -n "$or_pid" ]; then
        kill "$or_pid" 2>/dev/null
        wait "$or_pid"
    fi
    exit 143
}

# Runs the step unless another lane has it: the one that makes its directory. In the background, so
# that a signal is answered at once. A step that fails does not end the others: each job has its own
# record.
or_run() {
    or_step=$((or_step + 1))
    [ ! -d "$or_steps/$or_step" ] || return 0
    if ! mkdir "$or_steps/$or_step" 2>/dev/null; then
        [ ! -d "$or_steps/$or_step" ] || return 0
        or_status=1
        echo "outrigger: step $or_step cannot be begun: $*" >&2
        return 0
    fi
    "$@" </dev/null &
    or_pid=$!
    wait "$or_pid"
    or_code=$?
    or_pid=
    if [ "$or_code" -ne 0 ]; then
        or_status=$or_code
        echo "outrigger: step ended with $or_code: $*" >&2
    fi
}

# Whoever is done with a step goes on with the next, so a slow one holds nobody.
or_lane() {
    trap or_stop_lane TERM INT HUP
{% if tasks %}    case $or_task in
{% for task in tasks %}    {{ loop.index0 }})
{% for step in task %}        or_run {{ step | safe }}
{% endfor %}        ;;
{% endfor %}    esac
{% else %}{% for step in steps %}    or_run {{ step | safe }}
{% endfor %}{% endif %}    exit "$or_status"
}

or_lanes=
or_left={{ lanes }}
trap or_stop TERM INT HUP
or_mark "started$or_part" "$(date +%s) $(uname -n) $or_token"
while [ "$or_left" -gt 0 ]; do
    or_lane &
    or_lanes="$or_lanes $!"
    or_left=$((or_left - 1))
done
for or_lane in $or_lanes; do
    wait "$or_lane" || or_status=$?
done
or_end "$or_status"
