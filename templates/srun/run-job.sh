#!/bin/sh
# Runs one job of a run, in the run's directory, and leaves its record in the node's journal:
#     run-job.sh SEQ OFFSET LENGTH
# The job is the LENGTH bytes of commands.sh from OFFSET on. They say
#     or_base       number of the job's first output in the manifest
#     or_limit      seconds after which it is killed, if any
#     or_record     the record file that it writes, if any
#     or_need       files that must be there, or nothing is run and the lines of or_else count
#     or_outputs    its outputs: r required, o optional; R and O may be empty
#     or_job        what it does
# It exits with 0 whenever the record is written, so that no launcher ends the job's neighbours.

or_mode=record
if [ "$1" = --only ]; then
    or_mode=only
    shift
fi
or_seq=$1 or_offset=$2 or_length=$3
or_attempt=${OR_ATTEMPT:-1}
or_node=${SLURMD_NODENAME:-$(uname -n)}
or_journal=journal.$or_node.tsv
or_log=log/$or_seq.out
or_tab=$(printf '\t')
or_nl='
'
or_base=0 or_limit= or_record= or_missing= or_otherwise= or_problem= or_lines= or_pid=

or_need() {
    for or_file do
        [ -f "$or_file" ] && [ -s "$or_file" ] || or_missing=yes
    done
}

or_else() {
    for or_line do
        or_otherwise=$or_otherwise$or_line$or_nl
    done
}

# One line of the record: kind, the rest of its fields.
or_add() {
    or_lines=$or_lines$1$or_tab$or_seq$or_tab$or_attempt$or_tab$2$or_nl
}

# Each line of a text as a line of the record: kind, text.
or_add_text() {
    [ -n "$2" ] || return 0
    while IFS= read -r or_line; do
        or_add "$1" "$or_line"
    done <<END
$2
END
}

or_add_log() {
    [ -s "$or_log" ] || return 0
    or_add_text M "$(tail -n 20 "$or_log" | tail -c 4000 | tr -d '\000-\010\013-\037\177')"
}

# The record goes out in one write, since other ranks append to the same file.
or_end() {
    or_add E "$1$or_tab$or_start$or_tab$(date +%s)$or_tab$or_node$or_tab-$or_tab$2"
    if [ "${#or_lines}" -lt 1000 ]; then
        printf %s "$or_lines" >>"$or_journal" || exit 1
    else
        printf %s "$or_lines" >"$or_log.record" && cat "$or_log.record" >>"$or_journal" || exit 1
        rm -f "$or_log.record"
    fi
}

or_killed() {
    trap '' TERM INT HUP
    [ -z "$or_pid" ] || kill "$or_pid" 2>/dev/null
    or_lines=
    or_add M 'outrigger: ended by a signal: walltime, cancellation or shutdown'
    or_add_log
    or_end 143 ran
    exit 143
}

# Size and hash of each output that is there: pairs of flag and path.
or_check() {
    or_id=$or_base or_ids= or_left=$#
    while [ "$or_left" -gt 0 ]; do
        or_flag=$1 or_path=$2
        shift 2
        or_left=$((or_left - 2))
        or_there=
        if [ -f "$or_path" ]; then
            case $or_flag in
            [RO]) or_there=yes ;;
            *) [ ! -s "$or_path" ] || or_there=yes ;;
            esac
        fi
        if [ -n "$or_there" ]; then
            or_ids="$or_ids $or_id"
            set -- "$@" "$or_path"
        elif [ "$or_flag" = r ] || [ "$or_flag" = R ]; then
            if [ -f "$or_path" ]; then
                or_problem="${or_problem}outrigger: a required output is empty: $or_path$or_nl"
            else
                or_problem="${or_problem}outrigger: a required output is missing: $or_path$or_nl"
            fi
        fi
        or_id=$((or_id + 1))
    done
    [ $# -gt 0 ] || return 0
    or_count=$#
    or_hashes=$(sha256sum -- "$@" 2>&1) && or_sizes=$(stat -L -c %s -- "$@" 2>&1) || {
        or_problem="${or_problem}outrigger: an output cannot be read: $or_hashes $or_sizes$or_nl"
        return 0
    }
    set -- $or_sizes
    or_found=0
    while IFS=' ' read -r or_hash or_rest; do
        or_ids=${or_ids# }
        or_add O "${or_ids%% *}$or_tab$1$or_tab${or_hash#\\}"
        or_ids=${or_ids#* }
        shift
        or_found=$((or_found + 1))
    done <<END
$or_hashes
END
    [ "$or_found" -eq "$or_count" ] ||
        or_problem="${or_problem}outrigger: its outputs cannot be hashed one by one$or_nl"
}

or_take_record() {
    if [ ! -f "$or_record" ]; then
        or_problem="outrigger: its record file is missing: $or_record$or_nl"
    elif [ "$(wc -c <"$or_record")" -gt 65536 ]; then
        or_problem="outrigger: its record file is over 65536 bytes: $or_record$or_nl"
    else
        or_add_text D "$(cat -- "$or_record")"
    fi
}

or_slice=$(tail -c "+$((or_offset + 1))" commands.sh | head -c "$or_length")
eval "$or_slice"
if [ "$or_mode" = only ]; then
    or_job
    exit
fi

or_start=$(date +%s)
[ -d log ] || mkdir -p log
printf 'S\t%s\t%s\t%s\t%s\n' "$or_seq" "$or_attempt" "$or_start" "$or_node" >>"$or_journal" || exit 1

if [ -n "$or_missing" ]; then
    or_add_text D "${or_otherwise%"$or_nl"}"
    or_end 0 skipped
    exit 0
fi

trap or_killed TERM INT HUP
if [ -n "$or_limit" ] && command -v timeout >/dev/null; then
    timeout -k 10 "$or_limit" /bin/sh "$0" --only "$@" </dev/null >"$or_log" 2>&1 &
else
    (or_job) </dev/null >"$or_log" 2>&1 &
fi
or_pid=$!
wait "$or_pid"
or_exit=$?
trap '' TERM INT HUP
or_pid=

or_outputs
if [ "$or_exit" -ne 0 ]; then
    or_problem=
    if [ -n "$or_limit" ] && [ "$or_exit" -eq 124 ]; then
        or_problem="outrigger: killed after $or_limit s (cost.limit)$or_nl"
    fi
elif [ -z "$or_problem" ] && [ -n "$or_record" ]; then
    or_take_record
fi
[ "$or_exit" -ne 0 ] || [ -z "$or_problem" ] || or_exit=1
if [ "$or_exit" -ne 0 ]; then
    or_add_text M "$(printf %s "$or_problem" | tr -d '\000-\010\013-\037\177')"
    or_add_log
fi
or_end "$or_exit" ran
[ "$or_exit" -ne 0 ] || rm -f "$or_log"
exit 0
