[ -z "$1" ] || PATH=$1:$PATH
shift
LC_ALL=C
export PATH LC_ALL
user=$(id -un)
live=$(showq --xml -w user="$user" </dev/null 2>&1)
code=$?
printf '@outrigger run showq\n%s\n@outrigger exit %s\n' "$live" $code
# A server that does not answer lets every command hang: it is asked once.
if [ $code -ne 0 ]; then
  echo '@outrigger end'
  exit
fi
past=$(showq -c --xml -w user="$user" </dev/null 2>&1)
printf '@outrigger run showq-completed\n%s\n@outrigger exit %s\n' "$past" $?
for id do
  case $live$past in
    *"JobID=\"$id\""*|*"JobID=\"${id%'[]'}["*) ;;
    *)
      echo '@outrigger run checkjob'
      checkjob "$id" </dev/null 2>&1
      printf '\n@outrigger exit %s\n' $?
      ;;
  esac
done
echo '@outrigger end'
