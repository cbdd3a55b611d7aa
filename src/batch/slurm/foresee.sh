# PATH-PREFIX 'NODES/WALLTIME …' OPTION…: when a job of each shape would begin; nothing is queued.
[ -z "$1" ] || PATH=$1:$PATH
shapes=$2
shift 2
LC_ALL=C TZ=UTC0
export PATH LC_ALL TZ
unset SLURM_TIME_FORMAT
for shape in $shapes; do
  echo '@outrigger run sbatch'
  sbatch --test-only --nodes="${shape%/*}" --time="${shape#*/}" "$@" --wrap=true </dev/null 2>&1
  printf '\n@outrigger exit %s\n' $?
done
echo '@outrigger end'
