# What is asked of us.

install_agent() {
  find_root
  make_root
  put "$root/bin/agent-$1.sh" "$2" || no records "$root"
  finish_answer
}

# start ID SUM RECORD MOUNTS PLAN SCRIPT: makes a task and its keeper. Asked again, it makes no other.
start() {
  find_root
  make_root
  [ -e "$root/bin/agent-$2.sh" ] || no agent
  task=$root/tasks/$1
  [ -d "$task" ] || locked
  [ -d "$task" ] || make_task "$@"
  unlocked
  [ -e "$task/keeper" ] || detach keep "$task"
  tries=0
  while [ ! -e "$task/keeper" ] && [ $tries -lt 900 ]; do
    nap 0.02
    tries=$(($tries + 1))
  done
  [ -e "$task/keeper" ] || { put "$task/cancel" force; no keeper; }
  printf 'H %s\n' "$root"
  cat "$task/record" "$task/mounts" "$task/asked" "$task/state"
  finish_answer
}

# Under the lock. Whole, or not at all.
make_task() {
  new=$root/new/$1
  eval "$5"
  check "$1"
  mkdir -p "$new/work" "$new/volumes" 2>/dev/null || no records "$root"
  began $$
  now
  write_task "$@" || { rm -rf "$new"; no records "$root"; }
  take_volumes "$1"
  : >"$root/live/$1"
  [ "$count" = 0 ] || stand_in_line "$1"
  mv "$new" "$task" || no records "$root"
}

write_task() {
  put "$new/submitter" "$$ $start $boot" &&
    put "$new/mark" "$1.$$.$start." &&
    put "$new/umask" "$usual_mask" &&
    put "$new/record" "R $1 $3" &&
    put "$new/mounts" "$4" &&
    put "$new/plan" "$5
dir='$(quoted "$dir")'" &&
    put "$new/task.sh" "$6" &&
    ln -s "../../bin/agent-$2.sh" "$new/agent.sh" &&
    put "$new/asked" "A $1 $now $dir" &&
    put "$new/state" "S $1 pending 0 - - - - - "
}

quoted() { printf '%s' "$1" | sed "s/'/'\\\\''/g"; }

# prepare ID PLAN: the directory of a task that is being made, for its code; refuses what `start` would.
prepare() {
  find_root
  make_root
  eval "$2"
  check "$1"
  mkdir -p "$root/new/$1/work" 2>/dev/null || no records "$root"
  printf 'H %s\n' "$root"
  finish_answer
}

# For a task on several machines: `go` once all are ready, `forget` where they never will be.
go() {
  find_root
  [ -d "$root/tasks/$1" ] || no task
  : >"$root/tasks/$1/go"
  finish_answer
}

forget() {
  find_root
  task=$root/tasks/$1
  if [ -d "$task" ]; then
    put "$task/cancel" force
    tries=0
    while [ -d "$task" ] && ! is_final "$task" && [ $tries -lt 100 ]; do
      ! named "$task/keeper" || kill -s TERM "$pid" 2>/dev/null
      look_after "$1" >/dev/null
      nap 0.1
      tries=$(($tries + 1))
    done
    rm -rf "$task" "$root/live/$1"
  fi
  rm -rf "$root/new/$1"
  finish_answer
}

discard() {
  find_root
  rm -rf "$root/new/$1"
  finish_answer
}

check() {
  find "$root/new" -name '*_*' -prune -mtime +1 -exec rm -rf {} + 2>/dev/null
  settle_dir "$1"
  [ -n "$paths" ] || return 0
  set -f
  IFS='
'
  for one in $paths; do
    case $one in '~/'*) one=$HOME${one#'~'} ;; esac
    [ -e "$one" ] || no path "$one"
  done
  unset IFS
  set +f
}

# Where a task works, as a path from /; in its own directory where nothing was said.
settle_dir() {
  case $dir in
    '~' | '~/'*) dir=$HOME${dir#'~'} ;;
    '~'*)
      of=${dir%%/*} of=${of#'~'}
      case $of in *[!A-Za-z0-9._-]*) no dir "$dir" ;; esac
      eval "of=~$of"
      case $of in '~'*) no dir "$dir" ;; esac
      case $dir in */*) dir=$of/${dir#*/} ;; *) dir=$of ;; esac
      ;;
  esac
  case $dir in
    /*) (cd -- "$dir") 2>/dev/null || no dir "$dir" ;;
    *) dir=$root/tasks/$1/work${dir:+/$dir} ;;
  esac
}

# tell STAMP COUNT: every task that lives, and those that are over from a line of ROOT/over on.
tell() {
  find_root
  printf 'H %s\n' "$root"
  stamp=- from=1
  if cd "$root/live" 2>/dev/null; then
    { read -r stamp <"$root/over"; } 2>/dev/null
    [ "$stamp" != "$1" ] || from=$2
    lives=
    for one_live in task_*; do
      [ ! -e "$one_live" ] || lives="$lives $one_live"
    done
    for one_live in $lives; do look_after "$one_live"; done
    cd "$root/tasks" || no records "$root"
    # In this order: what ends meanwhile is among those that live, or among those that are over, or among both.
    ended=$(tail -n "+$(($from + 1))" "$root/over" 2>/dev/null)
    files= many=0
    for one in $lives $ended; do
      files="$files $one/record $one/mounts $one/asked $one/state" many=$(($many + 1))
      [ $many -lt 300 ] || { cat $files 2>/dev/null; files= many=0; }
    done
    [ -z "$files" ] || cat $files 2>/dev/null
    for one in $ended; do from=$(($from + 1)); done
  fi
  printf 'Z %s %s\n' "$stamp" "$from"
  finish_answer
}

tell_one() {
  find_root
  printf 'H %s\n' "$root"
  task=$root/tasks/$1
  if [ -d "$task" ]; then
    look_after "$1"
    cat "$task/record" "$task/mounts" "$task/asked" "$task/state" 2>/dev/null
  fi
  finish_answer
}

cancel() {
  find_root
  task=$root/tasks/$1
  [ -d "$task" ] || no task
  if ! is_final "$task"; then
    [ "$2" != force ] && [ -e "$task/cancel" ] || put "$task/cancel" "$2"
    if kept "$task"; then
      [ ! -e "$task/keeper" ] || kill -s TERM "$pid" 2>/dev/null
    else
      look_after "$1" >/dev/null
    fi
  fi
  finish_answer
}
