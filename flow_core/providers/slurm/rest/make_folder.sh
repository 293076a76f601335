# slurmrestd can't store files and does not know the home, so this script makes the folder of the task itself.
[ -n "${HOME-}" ] || eval "HOME=~$(id -un)"
export HOME
run=@RUN@
root=@ROOT@

# Writes a file of the folder from stdin. Elements of an array may do it at the same time.
put() {
  cat >"$run/.$1-$SLURM_JOB_ID" && mv "$run/.$1-$SLURM_JOB_ID" "$run/$1"
}

make_folder() {
  mkdir -p "$root/jobs" "$run/code" || return
  [ ! -e "$run/submission.json" ] || return 0
  json_run=$(printf '%s\n' "$run" | sed 's/[\\"]/\\&/g') json_home=$(printf '%s\n' "$HOME" | sed 's/[\\"]/\\&/g')
  put script.sh <"$0" &&
    put enter.sh <<'@END@' &&
@ENTER@
@END@
    printf '%s\n' @SUBMISSION@ | put submission.json
}

if [ "${1-}" != rank ]; then
  mask=$(umask)
  umask 077
  make_folder || exit 1
  exec >>"$run/batch${SLURM_ARRAY_JOB_ID:+-${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}.log" 2>&1
  umask "$mask"
fi

