# Torque: "$@" once on each node of the job's list, in this directory. Ranks as pbsdsh counts them.
if ! [ -r "${PBS_NODEFILE:-}" ]; then
    echo 'outrigger: there is neither srun nor a list of nodes (PBS_NODEFILE) to start workers by' >&2
    exit 127
fi
if command -v pbsdsh >/dev/null 2>&1; then
    exec pbsdsh -u sh -c 'cd "$0" && exec "$@"' "$PWD" "$@"
fi
words=
for word in "PBS_JOBID=${PBS_JOBID:-}" "$PWD" "$@"; do
    words="$words '$(printf '%s.' "$word" | sed "s/'/'\\\\''/g;\$s/\\.\$//")'"
done
rank=0 lines= status=0
trap 'kill $lines 2>/dev/null' TERM INT HUP
for node in $(awk '!seen[$0]++' "$PBS_NODEFILE"); do
    ssh -n -o BatchMode=yes "$node" "OUTRIGGER_NODE=$node PBS_VNODENUM=$rank \
exec sh -c 'export \"\$0\"; cd \"\$1\" && shift && exec \"\$@\"' $words" &
    lines="$lines $!" rank=$((rank + 1))
done
for line in $lines; do wait "$line" || status=$?; done
exit "$status"
