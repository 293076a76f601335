# Volumes: directories that outlive tasks.

make_volume() { # id name record
  find_root
  make_root
  locked
  { read -r has <"$root/volumes/.names/$2"; } 2>/dev/null && [ -d "$root/volumes/$has" ] && no taken "$2"
  { mkdir -p "$root/new/$1/data" "$root/new/$1/holders" && put "$root/new/$1/record" "V $1 $3" &&
    put "$root/volumes/.names/$2" "$1" && mv "$root/new/$1" "$root/volumes/$1"; } || no records "$root"
  unlocked
  finish_answer
}

list_volumes() {
  find_root
  printf 'H %s\n' "$root"
  for volume in "$root"/volumes/vol_*; do
    [ -e "$volume/record" ] || continue
    cat "$volume/record"
    find_holders "${volume##*/}" -
    for one in $holders; do printf 'Y %s %s\n' "${volume##*/}" "$one"; done
  done
  finish_answer
}

delete_volume() { # id name
  find_root
  [ -d "$root/volumes/$1" ] || no volume "$1"
  locked
  find_holders "$1" -
  [ -z "$holders" ] || no held "$1" $holders
  rm -f "$root/volumes/.names/$2"
  mv "$root/volumes/$1" "$root/new/.deleted-$1" || no records "$root"
  unlocked
  rm -rf "$root/new/.deleted-$1"
  finish_answer
}

attach_volume() { # id name interface task line
  find_root
  task=$root/tasks/$4
  [ -d "$task" ] || no task
  [ -d "$root/volumes/$1" ] || no volume "$1"
  locked
  ! is_final "$task" || no over
  if [ ! -e "$root/volumes/$1/holders/$4" ]; then
    find_holders "$1" "$4"
    [ "$3" != block ] || [ -z "$holders" ] || no held "$1" $holders
    ln -s "../../../volumes/$1/data" "$task/volumes/$2" || no records "$root"
    put "$task/mounts" "$(cat "$task/mounts")
M $4 $5"
    : >"$root/volumes/$1/holders/$4"
  fi
  unlocked
  printf 'H %s\n' "$root"
  finish_answer
}

# take_volumes TASK: those of the plan, as ID:NAME:INTERFACE, for a task that is being made; all of them or a refusal.
take_volumes() {
  for one in $volumes; do
    vol=${one%%:*}
    [ -d "$root/volumes/$vol" ] || undo "$1" volume "$vol"
    find_holders "$vol" "$1"
    case $one in *:block) [ -z "$holders" ] || undo "$1" held "$vol" $holders ;; esac
  done
  for one in $volumes; do
    vol=${one%%:*} name=${one#*:}
    ln -s "../../../volumes/$vol/data" "$root/new/$1/volumes/${name%%:*}"
    : >"$root/volumes/$vol/holders/$1"
  done
}

# The unfinished tasks that have a volume, but for one, in holders=. Call it under the lock, or only to show it.
find_holders() {
  holders=
  for holder in "$root/volumes/$1/holders"/task_*; do
    who=${holder##*/}
    [ -e "$holder" ] && [ "$who" != "$2" ] || continue
    if [ -e "$root/live/$who" ] || named "$root/new/$who/submitter"; then holders="$holders $who"; fi
  done
}

undo() {
  made=$1
  shift
  rm -rf "$root/new/$made"
  no "$@"
}
