[ -z "$1" ] || PATH=$1:$PATH
LC_ALL=C
export PATH LC_ALL
user=$(id -un)
echo '@outrigger run showq'
showq --xml -w user="$user" </dev/null 2>&1
printf '\n@outrigger exit %s\n' $?
echo '@outrigger run showq-completed'
showq -c --xml -w user="$user" </dev/null 2>&1
printf '\n@outrigger exit %s\n@outrigger end\n' $?
