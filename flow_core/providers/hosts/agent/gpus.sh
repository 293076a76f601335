# GPUs and the line.

# The task that has a GPU, in held=; nothing when it is free.
holder() {
  held=
  newest "$root/gpus/$1"
  [ "$last" != $first ] || return 0
  pid= n_start= n_boot= n_task=
  { read -r pid n_start n_boot n_task <"$root/gpus/$1/$last"; } 2>/dev/null
  case $pid in free | '') return 0 ;; esac
  alive "$pid" "$n_start" "$n_boot" || [ ! -d "$root/tasks/$n_task" ] || is_final "$root/tasks/$n_task" || held=$n_task
  ! alive "$pid" "$n_start" "$n_boot" || held=$n_task
}

# How many of the candidates nobody has leased, in free=. What has a GPU and nobody who keeps it is seen to.
count_free() {
  free=0
  for gpu in $candidates; do
    [ -d "$root/gpus/$gpu" ] || mkdir -p "$root/gpus/$gpu"
    holder "$gpu"
    if [ -z "$held" ]; then
      free=$(($free + 1))
    elif ! named "$root/tasks/$held/keeper"; then
      (look_after "$held") >/dev/null
    fi
  done
}

# Takes `count` of the candidates or none, in gpus=.
take_gpus() {
  gpus= left=$count
  for gpu in $candidates; do
    [ "$left" -gt 0 ] || break
    case $foreign in *" $gpu "*) continue ;; esac
    holder "$gpu"
    [ -z "$held" ] || continue
    found=$last
    began $$
    last=$found
    if claim "$root/gpus/$gpu" "$$ $start $boot $id"; then
      gpus="$gpus $gpu" left=$(($left - 1))
    fi
  done
  [ "$left" -gt 0 ] || return 0
  free=$(($count - $left))
  release_gpus
  return 1
}

release_gpus() {
  for gpu in $gpus; do
    newest "$root/gpus/$gpu"
    { read -r pid n_start n_boot n_task <"$root/gpus/$gpu/$last"; } 2>/dev/null
    [ "$n_task" != "$id" ] || put "$root/gpus/$gpu/$last" free
  done
  gpus=
}

# GPUs on which a process works, with spaces around each, in foreign=. Of those that nobody leased it is a stranger's.
look_for_strangers() {
  foreign=' '
  [ "$real" = 1 ] || return 0
  foreign=" $(ask_driver --query-compute-apps=gpu_uuid | tr -s '\n' ' ') "
}

# A driver that is stuck must not hold everything up.
ask_driver() {
  limit=
  ! timeout 1 true 2>/dev/null || limit='timeout -s KILL 3'
  $limit nvidia-smi "$@" --format=csv,noheader,nounits 2>/dev/null </dev/null
}

# The last one of a directory of numbers, plus one, by ln: a file of its own for everybody.
stand_in_line() {
  began $$
  put "$root/line/.$1.$$" "$1 $count $(echo $candidates | tr ' ' ,) $$ $start $boot"
  while :; do
    newest "$root/line"
    last=$(($last + 1))
    ! ln "$root/line/.$1.$$" "$root/line/$last" 2>/dev/null || break
  done
  rm -f "$root/line/.$1.$$"
}

# How many before us want a GPU that we could use, in ahead=; tickets of which nobody can make use any more are removed.
look_ahead() {
  ahead=0
  for ticket in "$root/line"/1*; do
    t_task= t_wants= t_start=
    { read -r t_task t_count t_wants t_pid t_start t_boot <"$ticket"; } 2>/dev/null || continue
    [ "$t_task" != "$id" ] || return 0
    is_waiting || { rm -f "$ticket"; continue; }
    for gpu in $candidates; do
      case ",$t_wants," in *",$gpu,"*) ahead=$(($ahead + 1)) && break ;; esac
    done
  done
}

is_waiting() {
  ! is_final "$root/tasks/$t_task" || return 1
  if [ -e "$root/tasks/$t_task/keeper" ]; then
    named "$root/tasks/$t_task/keeper"
  else
    alive "$t_pid" "$t_start" "$t_boot"
  fi
}

leave_the_line() {
  for ticket in "$root/line"/1*; do
    t_task=
    { read -r t_task one <"$ticket"; } 2>/dev/null
    [ "$t_task" != "$id" ] || rm -f "$ticket"
  done
}

wait_for_gpus() {
  while ! is_stopped; do
    look_ahead
    pause=0.3 others=
    if [ "$ahead" = 0 ]; then
      count_free
      if [ "$free" -ge "$count" ]; then
        look_for_strangers
        ! take_gpus || return 0
        [ "$foreign" = ' ' ] || pause=2 others=', others work on some without a lease'
      fi
      say "waiting for $count x $model: $free free$others"
    else
      say "waiting for $count x $model: $ahead ahead in the line"
      [ "$ahead" -lt 4 ] || pause=2
    fi
    nap $pause
  done
  return 1
}
