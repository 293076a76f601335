# The steps of a submission on the login node. The client sets the variables, and calls the steps that it needs.
#
# root, run     the folder of flow, and the folder of this submission in it
# mask          the umask of the user
# token         begins each line of the answer: login nodes may print anything else
# key, owner    the name of the run folder, and a random word for this submission
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

# Leaves the folder to the client, which sends the code.
expect_code() {
  trap - EXIT
  refuse ready "$run"
}

# Files could not be written; stderr says why.
fail_to_write() {
  answer unwritable
  exit 0
}

# Removes the folder if the script ends before it has the job, or before the client shall send the code.
guard_folder() {
  trap 'cd / && rm -rf "$run" "$unfinished"' EXIT
  trap 'exit 1' HUP INT TERM
}

make_folder() {
  [ -d "$root/unfinished" ] || mkdir -p "$root/runs" "$root/jobs" "$root/unfinished" || fail_to_write
  while ! mkdir "$run" 2>/dev/null; do
    if [ ! -d "$run" ]; then
      mkdir "$run" || fail_to_write
      break
    fi
    follow_other_client
  done
  guard_folder
  echo "$(($(date +%s) + limit_s)) $owner" >"$unfinished" || fail_to_write
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
    [ "$waited" -lt 15 ] || refuse busy
    waited=$((waited + 1))
    sleep 1
  done
  report_earlier
}

# Another client that has only just begun may not have written its deadline yet.
is_abandoned() {
  if read -r deadline other 2>/dev/null <"$unfinished"; then
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
  id=$(find_job) || refuse busy
  if [ -n "$id" ]; then
    record_job "$id"
    report_earlier
  fi
  mv "$run" "$run.$owner" 2>/dev/null && rm -rf "$run.$owner" "$unfinished"
}

# Prints the job of this folder, if there is one. Fails if slurmctld does not answer.
find_job() {
  jobs=$(command squeue ${cluster:+--clusters="$cluster"} -h -t all -u "$(id -un)" -o '%F %k' </dev/null) || return
  printf '%s\n' "$jobs" | sed -n "s/^\([0-9][0-9]*\) flow:$key\( .*\)\{0,1\}\$/\1/p" | head -n 1
}

# Writes the files that the client sends on stdin. Lines with the token name the file that follows. The arguments are
# the files whose size the client knows.
receive_files() {
  mkdir "$run/code" && cd "$run" || fail_to_write
  json_run=$run json_home=$HOME
  case $run$HOME in
  *[\\\"]*) json_run=$(quote_json "$run") json_home=$(quote_json "$HOME") ;;
  esac
  json_run=$json_run json_home=$json_home LC_ALL=C awk -v token="$token" '
    BEGIN { ORS = "" }
    function fill(line, mark, text,   at) {
      if ((at = index(line, mark)) > 0) line = substr(line, 1, at - 1) text substr(line, at + length(mark))
      return line
    }
    index($0, token " ") == 1 {
      if (file != "") close(file)
      file = substr($0, length(token) + 2)
      print "" > file
      is_later = 0
      next
    }
    {
      if (file == "submission.json") {
        $0 = fill($0, token "-run", ENVIRON["json_run"])
        $0 = fill($0, token "-home", ENVIRON["json_home"])
      }
      print (is_later ? "\n" : "") $0 > file
      is_later = 1
    }' || fail_to_write
  # A full disk is no error for every awk.
  case $(LC_ALL=C wc -c "$@" 2>/dev/null) in
  *[!0-9]"$size total") [ -s submission.json ] || fail_to_write ;;
  *) fail_to_write ;;
  esac
}

quote_json() {
  printf '%s\n' "$1" | sed 's/[\\"]/\\&/g'
}

# Sets `output` to a file of the folder, as sbatch reads it. It can't read a name with a backslash.
set_output() {
  case $run in
  *\\*) output=/dev/null ;;
  *%*) output=$(printf '%s\n' "$run" | sed 's/%/%%/g')/$1 ;;
  *) output=$run/$1 ;;
  esac
  case $1 in *%*) ;; *) : >"$run/$1" ;; esac # sbatch would create it with the mask of the job
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

# Finds which of the jobs, separated by commas, slurmctld knows.
list_known_jobs() {
  known=$(
    command squeue ${cluster:+--clusters="$cluster"} -h -t all -j "$1" -o '%A %F' 2>/dev/null </dev/null |
      tr ' ' '\n'
  )
}

# Adds a dependency: its kind and its jobs. For a job that slurmctld has forgotten, the accounting says how it ended.
add_dependency() {
  kind=$1 ids=
  shift
  for id do
    if printf '%s\n' "$known" | grep -qx "${id%%_*}"; then
      ids=$ids:$id
      continue
    fi
    state=$(
      command sacct ${cluster:+--clusters="$cluster"} -X -n -P -j "$id" -o State 2>/dev/null </dev/null |
        head -n 1
    )
    case $kind/$state in
    */) refuse ended "$id" unknown ;;
    afterok/COMPLETED* | aftercorr/COMPLETED*) ;;
    afterok/* | aftercorr/* | afternotok/COMPLETED*) refuse ended "$id" "$state" ;;
    esac
  done
  [ -z "$ids" ] || dependency=${dependency:+$dependency,}$kind$ids
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
  : >"$run/sbatch.err"
  [ -z "$is_probed" ] && return 0
  if command sbatch --test-only "$@" >/dev/null 2>"$run/sbatch.err" </dev/null; then
    : >"$run/sbatch.err"
    return 0
  fi
  grep -q 'Requested node configuration is not available' "$run/sbatch.err" || return 0
  # For a test, sbatch counts no node that is down; the job could wait for one.
  down=$(command sinfo ${cluster:+--clusters="$cluster"} -h -t down,drain,fail,maint -o %D </dev/null)
  [ -z "$down" ] || return 0
  refuse_job
}

refuse_job() {
  cat "$run/sbatch.err" >&2
  refuse refused
}

# After a lost answer, slurmctld may have the job all the same.
find_accepted_job() {
  grep -q -e 'Socket timed out' -e 'Zero Bytes' -e 'receive failure' "$run/sbatch.err" || refuse_job
  if ! printed=$(find_job); then
    trap - EXIT
    refuse unclear
  fi
}

submit() {
  probe "$@"
  umask "$mask" # a job inherits it
  printed=$(command sbatch --parsable "$@" 2>>"$run/sbatch.err" </dev/null) || find_accepted_job
  umask 077
  case $printed in
  *[!0-9]*)
    id=$(
      printf '%s\n' "$printed" |
        sed -n 's/^\(Submitted batch job \)\{0,1\}\([0-9][0-9]*\)\(;.*\)\{0,1\}$/\2/p' | tail -n 1
    )
    ;;
  *) id=$printed ;;
  esac
  [ -n "$id" ] || refuse_job
  trap - EXIT
  record_job "$id"
  answer home "$HOME"
  answer job "$id" "$run"
}

record_job() {
  printf '%s\n' "$1" >"$run/.job" && mv "$run/.job" "$run/job"
  if [ -h "$root/jobs/$1" ]; then rm -f "$root/jobs/$1"; fi # of an earlier job, if the cluster counts anew
  ln -s "../runs/$key" "$root/jobs/$1"
  rm -f "$run/sbatch.err" "$unfinished"
} 2>/dev/null

# Undoes a submission whose client gave up: cancels its job, and removes its folder. Another client with the same key
# may rely on a job that is recorded.
withdraw() {
  if [ -n "$is_keyed" ]; then
    read -r deadline other 2>/dev/null <"$unfinished" && [ "$other" = "$owner" ] || return 0
  fi
  [ -d "$run" ] || return 0
  id=$(cat "$run/job" 2>/dev/null || find_job) || exit 1
  [ -z "$id" ] || command scancel ${cluster:+--clusters="$cluster"} "$id" </dev/null
  rm -rf "$run" "$unfinished" "$root/jobs/${id:-none}"
}

# Removes what clients left that died before they had a job.
remove_abandoned() {
  for unfinished in "$root"/unfinished/*; do
    key=${unfinished##*/} run=$root/runs/${unfinished##*/} waited=0
    [ -e "$unfinished" ] && is_abandoned || continue
    id=$(find_job) || return
    if [ -n "$id" ]; then record_job "$id"; else rm -rf "$run" "$unfinished"; fi
  done
}
