[ -z "$1" ] || PATH=$1:$PATH
shift
LC_ALL=C SLURM_TIME_FORMAT=%s
export PATH LC_ALL SLURM_TIME_FORMAT
unset SQUEUE_ACCOUNT SQUEUE_ARRAY SQUEUE_NAMES SQUEUE_PARTITION SQUEUE_QOS SQUEUE_STATES SQUEUE_USERS
newline='
'
ids=
for id do ids=$ids,$id; done
live=$(squeue --noheader --array --jobs="${ids#,}" --format='%i|%T|%D|%S|%r' </dev/null 2>&1)
code=$?
printf '@outrigger run squeue\n%s\n@outrigger exit %s\n' "$live" "$code"
rest=
for id do
  case $newline$live in
    *"$newline$id|"*|*"$newline${id}_"*) ;;
    *) rest=$rest,$id ;;
  esac
done
# A controller that does not answer lets every command hang: it is asked once.
case $code$live in
  0*|*'Invalid job id'*) ;;
  *) rest= ;;
esac
if [ -n "$rest" ]; then
  past=$(sacct --noheader --parsable2 --allocations --jobs="${rest#,}" --format=JobID,State,ExitCode,NNodes,Start </dev/null 2>&1)
  printf '@outrigger run sacct\n%s\n@outrigger exit %s\n' "$past" $?
  lost= bases=
  for id do
    case ,$rest, in *",$id,"*) ;; *) continue ;; esac
    case $newline$past in
      *"$newline$id|"*|*"$newline${id}_"*) ;;
      *) lost="$lost $id" bases="$bases|${id%%_*}" ;;
    esac
  done
  set -- $lost
  # Few are asked for one by one; for many, all that the controller remembers is asked for once.
  if [ $# -gt 4 ]; then
    all=$(scontrol --oneliner show job </dev/null 2>&1)
    code=$?
    echo '@outrigger run scontrol'
    if [ $code -eq 0 ]; then
      printf '%s\n' "$all" | grep -E "(^| |Array)JobId=(${bases#|})( |\$)"
    else
      printf '%s\n' "$all"
    fi
    printf '\n@outrigger exit %s\n' $code
  else
    for id do
      echo '@outrigger run scontrol'
      scontrol --oneliner show job "$id" </dev/null 2>&1
      printf '\n@outrigger exit %s\n' $?
    done
  fi
fi
echo '@outrigger end'
