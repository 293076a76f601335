# srun runs this script again on each node.
if [ "${1-}" = rank ]; then
  run=$2 log=$3 failed=$4 head=$5 port=$6 rank=$SLURM_PROCID
  trap : HUP INT QUIT TERM USR1 USR2 # the command gets the signals, too
  case $log in
  '') (start_command) 2>&1 ;;
  *-) (start_command) >>"$log$rank.log" 2>&1 ;;
  *) (start_command) >>"$log" 2>&1 ;;
  esac
  code=$?
  # The first rank to fail gives the exit code of the task; srun ends the others.
  [ $code -eq 0 ] || { mkdir "$failed" 2>/dev/null && echo $code >"$failed/code"; }
  exit $code
fi

# Prints a port of this node on which nothing listens.
find_port() {
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v first=$((SLURM_JOB_ID * 7 + attempt)) '
    split($2, address, ":") == 2 { used[address[2]] = 1 }
    END {
      for (i = 0; i < 12000; i++) {
        port = 20000 + (first + i) % 12000
        if (!(sprintf("%04X", port) in used)) break
      }
      print port
    }'
}

# Prints the address of the first node.
find_head() {
  name=$(command scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
  if command -v getent >/dev/null && ! getent hosts "$name" >/dev/null; then
    address=$(command scontrol show node -o "$name" | sed -n 's/.* NodeAddr=\([^ ]*\).*/\1/p')
  fi
  echo "${address:-$name}"
}

