[ -z "$1" ] || PATH=$1:$PATH
shift
LC_ALL=C
export PATH LC_ALL
user=$(id -un)
live=$(showq --xml -w user="$user" </dev/null 2>&1)
printf '@outrigger run showq\n%s\n@outrigger exit %s\n' "$live" $?
past=$(showq -c --xml -w user="$user" </dev/null 2>&1)
printf '@outrigger run showq-completed\n%s\n@outrigger exit %s\n' "$past" $?
for id do
  case $live$past in
    *"JobID=\"$id\""*) ;;
    *)
      echo '@outrigger run checkjob'
      checkjob "$id" </dev/null 2>&1
      printf '\n@outrigger exit %s\n' $?
      ;;
  esac
done
echo '@outrigger end'
