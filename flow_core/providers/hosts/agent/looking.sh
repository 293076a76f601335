# What the machine has.

look() {
  find_root
  printf 'H %s\nN %s\n' "$root" "$(uname -nsm)"
  cpus=$(getconf _NPROCESSORS_ONLN 2>/dev/null) || cpus=$(grep -c '^processor' /proc/cpuinfo 2>/dev/null)
  printf 'C %s\n' "$cpus"
  { grep -E '^Mem(Total|Available):' /proc/meminfo || sysctl hw.memsize; } 2>/dev/null |
    while read -r one; do echo "K $one"; done
  { read -r load one </proc/loadavg; } 2>/dev/null || load=$(uptime 2>/dev/null | sed 's/.*averages*: *//; s/[, ].*//')
  printf 'O %s\n' "${load:--}"
  where=$root
  while [ ! -d "$where" ]; do where=${where%/*}; done
  df -Pk "${where:-/}" 2>/dev/null | tail -n 1 | while read -r one one one left one; do echo "D $left"; done
  look_at_gpus
  waiting=0
  for one in "$root/line"/1*; do [ ! -e "$one" ] || waiting=$(($waiting + 1)); done
  running=0
  for one in "$root/live"/task_*; do [ ! -e "$one" ] || running=$(($running + 1)); done
  printf 'W %s %s\n' "$waiting" "$running"
  for one in "$root/gpus"/*; do
    [ -d "$one" ] || continue
    gpu=${one##*/}
    holder "$gpu"
    [ -z "$held" ] || printf 'L %s %s\n' "$gpu" "$held"
  done
  finish_answer
}

look_at_gpus() {
  command -v nvidia-smi >/dev/null 2>&1 || return 0
  found=$(ask_driver --query-gpu=uuid,memory.total,memory.used,utilization.gpu,name) || { echo 'X'; return 0; }
  [ -z "$found" ] || printf '%s\n' "$found" | while IFS= read -r one; do printf 'G %s\n' "$one"; done
  ask_driver --query-compute-apps=gpu_uuid,pid,used_memory,process_name | while IFS= read -r app; do
    one=${app#*, }
    ls -ld "/proc/${one%%,*}" 2>/dev/null | {
      read -r one one user one
      printf 'P %s %s\n' "${user:--}" "$app"
    }
  done
}
