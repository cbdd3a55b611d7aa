# DIR TOKEN [TASKS]: takes the token's claim, so that no copy of the batch script ever begins; of an
# array that has begun, the claims of the tasks that have not.
[ -d "$1" ] || { echo '@outrigger gone'; exit 0; }
claim=$1/$2.claim
if mkdir -- "$claim" && echo closed >"$claim/job_id"; then
  echo '@outrigger ours'
  exit 0
fi
job=
[ ! -e "$claim/job_id" ] || read -r job <"$claim/job_id"
if [ "$job" = closed ]; then
  echo '@outrigger ours'
  exit 0
fi
task=0
while [ -d "$claim" ] && [ "$task" -lt "${3:-0}" ]; do
  ! mkdir -- "$claim/$task" 2>/dev/null || : >"$claim/$task/closed"
  task=$((task + 1))
done
[ ! -d "$claim" ] || echo "@outrigger theirs $job"
