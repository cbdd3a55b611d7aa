# DIR TOKEN FRESH|ANEW COMMAND...: runs the command that submits, unless somebody has; what it
# answers stays in TOKEN.submit, so that it is known though nobody listens any more.
trap '' HUP
lock=$1/$2.submit
[ "$3" != anew ] || rm -rf -- "$lock"
if ! mkdir -- "$lock"; then
  [ -d "$lock" ] || exit 73
  echo '@outrigger taken'
  exit 75
fi
shift 3
echo "$$ $(uname -n)" >"$lock/by"
"$@" >"$lock/out" 2>"$lock/err" </dev/null
code=$?
echo "$code" >"$lock/code.part" && mv -f -- "$lock/code.part" "$lock/code"
cat -- "$lock/out"
cat -- "$lock/err" >&2
exit "$code"
