# DIR TOKEN: takes the token's claim, so that no copy of the batch script ever begins.
[ -d "$1" ] || { echo '@outrigger gone'; exit 0; }
claim=$1/$2.claim
if mkdir -- "$claim" && echo closed >"$claim/job_id"; then
  echo '@outrigger ours'
  exit 0
fi
job=
[ ! -e "$claim/job_id" ] || read -r job <"$claim/job_id"
case $job in
  closed) echo '@outrigger ours' ;;
  *) [ ! -d "$claim" ] || echo "@outrigger theirs $job" ;;
esac
