# flow wrote this script. It runs the command of the task on each node, with a log for each rank.
run=@RUN@
root=@ROOT@
ranks=@RANKS@
mask=$(umask)
umask 077 # for the files of flow, but not for those of the command

# Sets the variables of one rank.
set_variables() {
@VARIABLES@
}

# Runs the command in place of the shell.
run_command() {
@COMMAND@
}

start_command() {
  umask "$mask"
  set_variables
@ENVIRONMENT@
  cd -- @DIRECTORY@ || exit 1
  run_command
}

@SRUN@
make_attempt() {
  attempt=0
  if [ -n "$index" ]; then
    while [ -e "$run/attempt-$attempt/rank-$index.log" ]; do attempt=$((attempt + 1)); done
    folder=$run/attempt-$attempt
    mkdir -p "$folder" || exit 1
  else
    while folder=$run/attempt-$attempt && ! mkdir "$folder" 2>/dev/null; do
      [ -d "$folder" ] || { mkdir "$folder" || exit 1; }
      attempt=$((attempt + 1))
    done
  fi
  log=$folder/rank-${index:-0}.log
  : >>"$log"
}

@PREPARATION@
run_attempt() {
  make_attempt
  echo "start $attempt $(date +%s)" >>"$status"
@LAUNCH@
  signal=0
  [ $code -le 128 ] || [ $code -gt 192 ] || signal=$((code - 128))
  echo "end $attempt $code $signal $(date +%s)" >>"$status"
}

# Removes the variables of the task, unless this script will run again: after a requeue, or as another element.
remove_variables() {
  [ -e "$run/env.sh" ] || return 0
  if [ -n "$stopped" ]; then
    restarts=$(command scontrol show job -o "$job${index:+_$index}" | sed -n 's/.* Restarts=\([0-9]*\).*/\1/p')
    [ "$restarts" = "${SLURM_RESTART_COUNT:-0}" ] || return 0
  fi
  if [ -n "$index" ]; then
    : >"$run/ended-$index"
    set -- "$run"/ended-*
    [ $# -ge "$SLURM_ARRAY_TASK_COUNT" ] || return 0
  fi
  rm -f "$run/env.sh"
}

unset SLURM_EXPORT_ENV # it would keep variables from the ranks
job=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID} index=${SLURM_ARRAY_TASK_ID-} stopped=
status=$run/status${index:+-$index}
if [ ! -d "$run" ]; then
  echo "$(uname -n) has no folder $run: it was removed, or it is not on a file system that all nodes share" >&2
  exit 1
fi
# The client may have died before it could write these.
{
  [ -s "$run/job" ] || { echo "$job" >"$run/.job-$index" && mv "$run/.job-$index" "$run/job"; }
  [ -e "$root/jobs/$job" ] || ln -sn "../runs/${run##*/}" "$root/jobs/$job"
} 2>/dev/null
# Slurm signals this script as well as the command: SIGTERM at the end of the allocation, others if the user sends them.
trap 'stopped=1' TERM
trap : HUP INT QUIT USR1 USR2
run_attempt
@RETRIES@
remove_variables
exit $code
