# Identities, files, locks.

boot_of_this_machine() {
  boot=
  { IFS= read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || boot=$(sysctl -n kern.bootsessionuuid 2>/dev/null)
  boot=${boot:--}
}

# When a process began, in start=; fails for one that is gone or only waits to be buried.
began() {
  start= stat=
  if [ -r /proc/self/stat ]; then
    { IFS= read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    case $stat in *') '*) ;; *) stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1 ;; esac
    set -- ${stat##*) }
    start=${20-}
  else
    set -- "$(ps -o stat= -p "$1" 2>/dev/null)" "$(LC_ALL=C ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' _)"
    start=$2
  fi
  case $1 in '' | Z* | X* | x*) return 1 ;; esac
}

alive() { [ "${3-}" = "$boot" ] && began "$1" && [ "$start" = "$2" ]; }

# Whether the process that a file names is alive; its number in pid=.
named() {
  pid= n_start= n_boot=
  { read -r pid n_start n_boot n_rest <"$1"; } 2>/dev/null
  [ -n "$pid" ] && alive "$pid" "$n_start" "$n_boot"
}

# Replaces a file in one step, by way of one that no pattern of ours finds.
put() {
  cat >"${1%/*}/.${1##*/}.$$" <<EOF && mv -f "${1%/*}/.${1##*/}.$$" "$1" && return 0
$2
EOF
  rm -f "${1%/*}/.${1##*/}.$$"
  return 1
}

now() {
  now=$(date +%s.%N)
  case $now in *[!0-9.]* | *.) now=$(date +%s) ;; esac
}

nap() { sleep "${1:-0.1}" 2>/dev/null || sleep 1; }

# The last entry of a lease, in last=; `first` where there is none.
newest() {
  last=$first
  for one in "$1"/1*; do
    [ ! -e "$one" ] || last=${one##*/}
  done
}

# Takes what `newest` found to be free. True for exactly one of all who try, whoever dies in between: each owner is a
# file of its own, made whole by ln, under the number after that of the last owner, who is dead or has written "free".
# 2 where nothing can be written.
claim() {
  next=$(($last + 1))
  put "$1/.mine.$$" "$2" || return 2
  ln "$1/.mine.$$" "$1/$next" 2>/dev/null || { rm -f "$1/.mine.$$"; return 1; }
  rm -f "$1/.mine.$$"
  newest "$1"
  [ "$last" = "$next" ] || { rm -f "$1/$next"; return 1; }
  for one in "$1"/1*; do
    [ "${one##*/}" -ge "$next" ] || rm -f "$one"
  done
}

# One change at a time: of what tasks and volumes there are, and of who has which.
locked() {
  tries=0
  while [ $tries -lt 300 ]; do
    newest "$root/lock"
    if [ "$last" = $first ] || ! named "$root/lock/$last"; then
      found=$last
      began $$
      last=$found
      claim "$root/lock" "$$ $start $boot" && lock=$root/lock/$next && return 0
      [ $? != 2 ] || no records "$root"
    fi
    tries=$(($tries + 1))
    nap 0.05
  done
  no busy
}

unlocked() {
  [ -z "$lock" ] || put "$lock" free
  lock=
}
