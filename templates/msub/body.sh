# Run {{ run_id }}; run.yaml says what was decided for it.
{% for line in environment %}{{ line | safe }}
{% endfor %}{% for module in modules %}module load {{ module }}
{% endfor %}set -u

cd {{ dir }} || exit 1
or_token={{ token }}

# Only one copy of this script ever runs the jobs: the one that makes this directory.
if ! mkdir "$or_token.claim"; then
    if [ -d "$or_token.claim" ]; then
        echo "outrigger: $or_token is claimed by another copy of this batch job; nothing to do"
        exit 0
    fi
    echo "outrigger: $or_token cannot be claimed in $PWD" >&2
    exit 1
fi

OR_ATTEMPT=${or_token#or-*-}
OR_ATTEMPT=${OR_ATTEMPT%%-*}
export OR_ATTEMPT
mkdir -p log

or_status=0
or_pid=

# A marker is there whole or not at all.
or_mark() {
    printf '%s\n' "$2" >"$1.tmp" && mv -f "$1.tmp" "$1"
}

or_stop() {
    trap '' TERM INT HUP
    if [ -n "$or_pid" ]; then
        kill "$or_pid" 2>/dev/null
        wait "$or_pid"
    fi
    or_mark ended "143 $(date +%s) $or_token"
    exit 143
}

# In the background, so that a signal is answered at once. A step that fails does not end the
# others: each job has its own record.
or_step() {
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

trap or_stop TERM INT HUP
or_mark started "$(date +%s) $(uname -n) $or_token"
{% for step in steps %}or_step {{ step | safe }}
{% endfor %}or_mark ended "$or_status $(date +%s) $or_token"
exit "$or_status"
