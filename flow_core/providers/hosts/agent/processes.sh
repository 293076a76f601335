# All processes of a task.

processes() {
  if [ -r /proc/self/stat ]; then
    cat /proc/[0-9]*/stat 2>/dev/null
  else
    ps -A -o pid= -o ppid= -o pgid= -o stat= | while read -r p pp pg st; do echo "$p () $st $pp $pg $pg"; done
  fi
}

# Those that live, in members=: by the mark in their environment, by session, and by descent from these. What bears
# another task's mark belongs to that one, with everything below it.
find_members() {
  members= table= m_pid=- m_start= m_boot=
  { read -r m_pid m_start m_boot one <"$root/tasks/$1/child"; } 2>/dev/null
  if [ "$m_boot" = "$boot" ]; then
    began "$m_pid"
    [ -z "$start" ] || [ "$start" = "$m_start" ] || m_pid=- # the number now belongs to somebody else
  else
    m_pid=-
  fi
  mark=
  { read -r mark <"$root/tasks/$1/mark"; } 2>/dev/null
  mine=" $(numbers_of "FLOW_TASK_MARK=${mark:-$1}") " marked=" $(numbers_of FLOW_TASK_MARK=) "
  while IFS= read -r stat; do
    pid=${stat%% *}
    case $stat in *') '*) set -- ${stat##*) } ;; *) continue ;; esac
    case $1 in Z* | X* | x*) continue ;; esac
    [ "$pid" != $$ ] || continue
    case $mine in *" $pid "*) members="$members $pid" && continue ;; esac
    case $marked in *" $pid "*) continue ;; esac
    # The first one before it has become anything, and all of its session.
    if [ "$pid" = "$m_pid" ] || [ "$4" = "$m_pid" ]; then members="$members $pid"; else table="$table $pid:$2"; fi
  done <<EOF
$(processes)
EOF
  while :; do
    before=$members
    for one in $table; do
      case " $members " in
        *" ${one%:*} "*) ;;
        *" ${one#*:} "*) members="$members ${one%:*}" ;;
      esac
    done
    [ "$before" != "$members" ] || break
  done
}

numbers_of() {
  grep -lsF "$1" /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r one one number one; do printf '%s ' "$number"; done
}

# TERM to all of them, KILL to those that are still there after the grace, at once when that was asked for.
end_all() {
  asked=' ' ticks=0
  while find_members "$1" && [ -n "$members" ]; do
    if [ $ticks -ge $((${FLOW_HOSTS_GRACE_S:-5} * 10)) ] || is_urgent "$root/tasks/$1"; then
      kill -s KILL $members 2>/dev/null
    else
      for one in $members; do
        case $asked in *" $one "*) continue ;; esac
        asked="$asked$one "
        kill -s TERM "$one" 2>/dev/null
        kill -s CONT "$one" 2>/dev/null
      done
    fi
    nap 0.1
    ticks=$(($ticks + 1))
  done
}

is_urgent() {
  force=
  { read -r force <"$1/cancel"; } 2>/dev/null
  [ "$force" = force ]
}
