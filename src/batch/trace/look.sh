# For each three lines, a remote run directory, its token and the number of tasks of its array (0 for a
# single job), prints of how many parts the end is there, how many are closed, how many have begun and
# left no end, how many seconds ago the last of these began, and who claimed the token.
part() {
  code= at= left=
  [ ! -e "$2" ] || read -r code at left <"$2"
  if [ "$left" = "$token" ]; then
    ended=$((ended + 1))
  elif [ -e "$1/closed" ]; then
    closed=$((closed + 1))
  elif [ -d "$1" ]; then
    open=$((open + 1))
    since=$(($(date +%s) - $(stat -c %Y "$1")))
    [ "$age" != - ] && [ "$age" -le "$since" ] || age=$since
  fi
}
i=0
while IFS= read -r dir && IFS= read -r token && IFS= read -r tasks; do
  claim=$dir/$token.claim ended=0 closed=0 open=0 age=- claimed=free claimant=
  if [ -d "$claim" ]; then
    claimed=claimed
    [ ! -e "$claim/job_id" ] || read -r claimant <"$claim/job_id"
  fi
  if [ "$claimant" = closed ]; then
    closed=$((tasks + (tasks == 0))) tasks=0 claimant=
  elif [ "$tasks" -eq 0 ]; then
    part "$claim" "$dir/ended"
  fi
  task=0
  while [ "$task" -lt "$tasks" ]; do
    part "$claim/$task" "$dir/ended.$task"
    task=$((task + 1))
  done
  printf 'or run %s %s %s %s %s %s %s\n' "$i" "$ended" "$closed" "$open" "$age" "$claimed" "$claimant"
  i=$((i + 1))
done
printf 'or end %s\n' "$i"
