# The steps of a submission on the login node. The client sets the variables, and calls the steps that it needs.
#
# root, run     the folder of flow, and the folder of this submission in it
# token         begins each line of the answer: login nodes may print anything else
# key, owner    the name of the run folder, and a random mark of this submission
# is_keyed      whether another client may submit with the same key
# cluster       another cluster than the default one
# limit_s       seconds after which an unfinished submission with the same key counts as abandoned

answer() {
  printf '%s %s\n' "$token" "$*"
}

# Ends the script. The trap of make_folder then removes the folder.
refuse() {
  answer "$@"
  exit 0
}

keep_folder() {
  trap - EXIT
}

# Files could not be written; stderr says why.
fail_to_write() {
  answer unwritable
  exit 0
}

make_folder() {
  mkdir -p "$root/runs" "$root/jobs" || fail_to_write
  while ! mkdir "$run" 2>/dev/null; do
    if [ ! -d "$run" ]; then
      mkdir "$run" || fail_to_write
      break
    fi
    follow_other_client
  done
  trap 'cd / && rm -rf "$run"' EXIT
  trap 'exit 1' HUP INT TERM
  if [ -n "$is_keyed" ]; then
    printf '%s\n' "$owner" >"$run/owner" && echo $(($(date +%s) + limit_s)) >"$run/deadline" || fail_to_write
  fi
}

# Waits for the job of another submission with the same key. Returns if that was abandoned, and its folder is gone.
follow_other_client() {
  waited=0
  while [ ! -s "$run/job" ]; do
    [ -d "$run" ] || return 0
    if is_abandoned; then
      adopt_or_remove
      return 0
    fi
    [ "$waited" -lt 25 ] || refuse busy
    waited=$((waited + 1))
    sleep 1
  done
  report_earlier
}

is_abandoned() {
  if deadline=$(cat "$run/deadline" 2>/dev/null) && [ -n "$deadline" ]; then
    [ "$deadline" -le "$(date +%s)" ]
  else
    [ "$waited" -ge 3 ]
  fi
}

report_earlier() {
  read -r id <"$run/job"
  answer submission "$(cat "$run/submission.json")"
  refuse earlier "$id" "$run"
}

# The other client died. Its job may exist all the same.
adopt_or_remove() {
  id=$(find_job)
  if [ -n "$id" ]; then
    record_job "$id"
    report_earlier
  fi
  mv "$run" "$run.$owner" 2>/dev/null && rm -rf "$run.$owner"
}

find_job() {
  command squeue ${cluster:+--clusters="$cluster"} -h -t all -u "$(id -un)" -o '%F %k' </dev/null |
    sed -n "s/^\([0-9][0-9]*\) flow:$key\( .*\)\{0,1\}\$/\1/p" | head -n 1
}

# Writes the files that the client sends on stdin. Lines with the token name the file that follows. The arguments are
# the files whose size the client knows.
receive_files() {
  mkdir "$run/code" && cd "$run" || fail_to_write
  json_run=$(printf '%s' "$run" | sed 's/[\\"]/\\&/g') json_home=$(printf '%s' "$HOME" | sed 's/[\\"]/\\&/g')
  json_run=$json_run json_home=$json_home LC_ALL=C awk -v token="$token" '
    function fill(line, mark, text,   at) {
      if ((at = index(line, mark)) > 0) line = substr(line, 1, at - 1) text substr(line, at + length(mark))
      return line
    }
    index($0, token " ") == 1 {
      if (file != "") close(file)
      file = substr($0, length(token) + 2)
      printf "" > file
      is_later = 0
      next
    }
    {
      if (file == "submission.json") {
        $0 = fill($0, token "-run", ENVIRON["json_run"])
        $0 = fill($0, token "-home", ENVIRON["json_home"])
      }
      printf "%s%s", (is_later ? "\n" : ""), $0 > file
      is_later = 1
    }' || fail_to_write
  grep -q '}$' submission.json && [ "$(cat "$@" | wc -c)" -eq "$size" ] || fail_to_write
}

# Answers the first of the paths that does not exist, by its number.
check_paths() {
  number=0
  for path do
    [ -e "$path" ] || refuse missing "$number"
    number=$((number + 1))
  done
}

check_folder() {
  [ -d "$1" ] || refuse no-folder
}

# Answers the state of each job that slurmctld does not know any more; accounting may know it.
check_jobs() {
  listed=$(IFS=,; echo "$*")
  known=$(command squeue ${cluster:+--clusters="$cluster"} -h -t all -j "$listed" -o '%A %F' 2>/dev/null </dev/null)
  for id do
    printf '%s\n' "$known" | tr ' ' '\n' | grep -qx "${id%%_*}" && continue
    state=$(command sacct ${cluster:+--clusters="$cluster"} -X -n -P -j "$id" -o State 2>/dev/null </dev/null | head -n 1)
    answer ended "$id" "${state:-unknown}"
  done
}

# Keeps the script of the first container tool that the site has.
choose_container() {
  for tool do
    if "has_$tool"; then
      mv "script-$tool.sh" script.sh && mv "enter-$tool.sh" enter.sh && rm -f script-*.sh enter-*.sh || fail_to_write
      return 0
    fi
  done
  refuse no-container
}

# Links a path of the cluster into the code: source, path in the code.
link_path() {
  mkdir -p "$(dirname "$run/code/$2")" && ln -s "$1" "$run/code/$2" || fail_to_write
}

# sbatch records a job that can never run. This only asks whether it can.
probe() {
  [ -z "$is_probed" ] && return 0
  command sbatch --test-only "$@" >/dev/null 2>"$run/sbatch.err" </dev/null && return 0
  grep -q 'Requested node configuration is not available' "$run/sbatch.err" || return 0
  # For a test, sbatch counts no node that is down; the job could wait for one.
  [ -z "$(command sinfo ${cluster:+--clusters="$cluster"} -h -t down,drained,draining,fail,maint,powering_down -o %D </dev/null)" ] || return 0
  refuse_job
}

refuse_job() {
  cat "$run/sbatch.err" >&2
  refuse refused
}

submit() {
  probe "$@"
  printed=$(command sbatch --parsable "$@" 2>"$run/sbatch.err" </dev/null) || refuse_job
  id=$(printf '%s\n' "$printed" | sed -n 's/^\(Submitted batch job \)\{0,1\}\([0-9][0-9]*\)\(;.*\)\{0,1\}$/\2/p' | tail -n 1)
  [ -n "$id" ] || refuse_job
  keep_folder
  record_job "$id"
  answer job "$id" "$run"
}

record_job() {
  printf '%s\n' "$1" >"$run/.job" && mv "$run/.job" "$run/job"
  rm -f "$root/jobs/$1" "$run/sbatch.err" "$run/owner" "$run/deadline"
  ln -s "../runs/$key" "$root/jobs/$1"
} 2>/dev/null

# Undoes a submission whose client gave up: cancels its job, and removes its folder.
withdraw() {
  [ -d "$run" ] || return 0
  if [ -n "$is_keyed" ]; then
    [ "$(cat "$run/owner" 2>/dev/null)" = "$owner" ] || return 0
  fi
  id=$(cat "$run/job" 2>/dev/null || find_job)
  if [ -n "$id" ]; then
    command scancel ${cluster:+--clusters="$cluster"} "$id" </dev/null
    rm -f "$root/jobs/$id"
  fi
  rm -rf "$run"
}
