# Where everything is.

find_root() {
  boot_of_this_machine
  host=$(uname -n) machine=
  for one in /etc/machine-id /var/lib/dbus/machine-id; do
    { [ -n "$machine" ] || IFS= read -r machine <"$one"; } 2>/dev/null
  done
  # Both: a home may be shared, and copies of an installed system have the same id.
  root=$HOME/.local/state
  case ${XDG_STATE_HOME-} in /*) root=$XDG_STATE_HOME ;; esac
  root=$root/flow/hosts/$host${machine:+-$machine}
  version=1
  { read -r version <"$root/version"; } 2>/dev/null
  [ "$version" = 1 ] || no version
}

make_root() {
  for one in bin gpus line live lock new tasks volumes/.names; do
    [ -d "$root/$one" ] || mkdir -p "$root/$one" 2>/dev/null || no records "$root"
  done
  [ -f "$root/over" ] || open_the_list_of_those_that_are_over
  [ -f "$root/version" ] || put "$root/version" 1 || no records "$root"
}

open_the_list_of_those_that_are_over() {
  now
  put "$root/.over-$$" "$now-$$"
  ln "$root/.over-$$" "$root/over" 2>/dev/null
  rm -f "$root/.over-$$"
}

no() {
  unlocked
  IFS=' '
  printf 'E %s\n.\n' "$*"
  exit 0
}

finish_answer() { printf '.\n'; }

# Moves a task from those that live to those that are over. Twice is safe.
bury() { printf '%s\n' "$1" >>"$root/over" && rm -f "$root/live/$1"; }

is_final() {
  last_word=
  { read -r one one last_word one <"$1/state"; } 2>/dev/null
  case $last_word in completed | failed | cancelled) return 0 ;; esac
  return 1
}

kept() {
  if [ -e "$1/keeper" ]; then named "$1/keeper"; else named "$1/submitter"; fi
}
