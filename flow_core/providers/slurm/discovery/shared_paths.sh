# Prints the size of shared paths, and this user's quota. Each path is asked in the background with deadlines of its
# own, so that a file system that hangs delays no other. The client sets the variables.
#
# token      begins each line of the answer, so that a line of another program is none
# limit_s    longest time of one command
# total_s    longest time of all; what has not answered by then is left behind

LC_ALL=C
export LC_ALL
user=$(id -un)
within=
command -v timeout >/dev/null 2>&1 && within="timeout -s KILL $limit_s"

# Prints an answer with a single write, so that those of two paths do not mix: KIND NUMBER TEXT.
answer() {
  printf '%s %s\n' "$token" "$(printf '%s' "$*" | tr '\n' '\036' | cut -b 1-3500)"
}

has() {
  command -v "$1" >/dev/null 2>&1
}

ask_path() {
  number=$1 path=$2
  printed=$($within df -Pk -- "$path" 2>&1)
  code=$?
  case $code in
  0) answer size "$number" "$(printf '%s\n' "$printed" | tail -n 1)" ;;
  124 | 137) answer hangs "$number" ;;
  *) answer error "$number" "$printed" ;;
  esac
  [ "$code" = 0 ] || return
  case $printed in
  *beegfs*) has beegfs-ctl && ask_beegfs ;;
  *:/*) has lfs && ask_lustre ;;
  esac
}

ask_beegfs() {
  mounted=$(printf '%s\n' "$printed" | tail -n 1 | sed 's/.*% *//')
  text=$($within beegfs-ctl --getquota --csv --uid "$user" --mount="$mounted") && answer beegfs "$number" "$text"
}

ask_lustre() {
  project=$($within lfs project -d "$path" | sed -n 's/^ *\([0-9][0-9]*\) .*/\1/p')
  group=$(ls -ldn "$path/" | sed -n '1s/^[^ ]* *[^ ]* *[^ ]* *\([0-9][0-9]*\) .*/\1/p')
  if [ "${project:-0}" != 0 ]; then
    text=$($within lfs quota -q -p "$project" "$path") && answer lustre-project "$number" "$text"
  fi
  text=$($within lfs quota -q -u "$user" "$path") && answer lustre-user "$number" "$text"
  if [ -n "$group" ]; then
    text=$($within lfs quota -q -g "$group" "$path") && answer lustre-group "$number" "$text"
  fi
}

# It may end with 1 and print quotas all the same.
ask_quota() {
  has quota && answer quota 0 "$($within quota -w)"
}

# Prints the answers until that many questions are done, or the time is over.
read_answers() {
  left=$1
  while [ "$left" -gt 0 ] && IFS= read -r line; do
    case $line in
    "$token late") break ;;
    "$token done") left=$((left - 1)) ;;
    *) printf '%s\n' "$line" ;;
    esac
  done
}

# The paths are the arguments. Whatever stays behind must not hold the stdout or stderr of the script.
ask_all() {
  {
    exec </dev/null 2>/dev/null
    index=0
    for path do
      (ask_path "$index" "$path"; answer "done") &
      index=$((index + 1))
    done
    (ask_quota; answer "done") &
    (sleep "$total_s"; answer late) &
  } | read_answers $(($# + 1))
}
