[ -z "$1" ] || PATH=$1:$PATH
LC_ALL=C SLURM_TIME_FORMAT=%s
export PATH LC_ALL SLURM_TIME_FORMAT
unset SQUEUE_ACCOUNT SQUEUE_ARRAY SQUEUE_NAMES SQUEUE_PARTITION SQUEUE_QOS SQUEUE_STATES SQUEUE_USERS
echo '@outrigger run squeue'
squeue --noheader --states=all --name="$2" --format='%i|%T|%j' </dev/null 2>&1
printf '\n@outrigger exit %s\n' $?
echo '@outrigger run sacct'
sacct --noheader --parsable2 --allocations --starttime=now-60days --name="$2" --format=JobID,State,JobName </dev/null 2>&1
printf '\n@outrigger exit %s\n@outrigger end\n' $?
