# DIR TOKEN: what became of the submission, and whether the batch script has begun.
lock=$1/$2.submit claim=$1/$2.claim
is_old() { [ -n "$(find "$1" -prune -mmin +10)" ]; }
if [ -d "$claim" ]; then
  job=
  [ ! -e "$claim/job_id" ] || read -r job <"$claim/job_id"
  if [ "$job" = closed ]; then echo '@outrigger closed'
  elif [ -n "$job" ]; then echo "@outrigger claim $job"
  elif is_old "$claim"; then echo '@outrigger claim'
  else echo '@outrigger begins'
  fi
fi
if [ -e "$lock/code" ]; then
  read -r code <"$lock/code"
  echo "@outrigger answered $code"
  sed 's/^/out /' "$lock/out"
  sed 's/^/err /' "$lock/err"
elif [ -d "$lock" ]; then
  pid= machine=
  [ ! -e "$lock/by" ] || read -r pid machine <"$lock/by"
  if is_old "$lock"; then echo '@outrigger cut'
  elif [ "$machine" = "$(uname -n)" ] && ! kill -0 "$pid" 2>/dev/null; then echo '@outrigger cut'
  else echo '@outrigger under way'
  fi
fi
echo '@outrigger end'
