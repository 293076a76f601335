# The end of a task whose keeper is gone.

# Returns at once; what has to be ended first is ended by a process of its own.
look_after() {
  task=$root/tasks/$1
  if is_final "$task"; then
    bury "$1"
    return
  fi
  if [ ! -d "$task" ]; then
    [ -d "$root/new/$1" ] || rm -f "$root/live/$1"
    return
  fi
  ! kept "$task" || return 0
  find_members "$1"
  if [ -z "$members" ]; then
    settle "$1"
  else
    newest "$task/settling"
    { [ "$last" != $first ] && named "$task/settling/$last"; } || detach settle_task "$task"
    printf 'U %s\n' "$1"
  fi
}

settle() {
  task=$root/tasks/$1
  mkdir -p "$task/settling" 2>/dev/null
  newest "$task/settling"
  [ "$last" = $first ] || ! named "$task/settling/$last" || return 0
  began $$
  claim "$task/settling" "$$ $start $boot" || return 0
  settling=$task/settling/$next
  if [ ! -e "$task/keeper" ]; then
    # Whoever comes late to keep it finds that somebody does.
    put "$task/keeper.settled" "$$ $start $boot"
    ln "$task/keeper.settled" "$task/keeper" 2>/dev/null || return 0
    why='lost: it was never started, its submitter ended first'
  else
    { read -r one one n_boot one <"$task/keeper"; } 2>/dev/null
    why='lost: its keeper was killed'
    [ "${n_boot-}" = "$boot" ] || why='lost: the machine was restarted'
  fi
  end_all "$1"
  if ! is_final "$task"; then
    set -- "$1" failed
    [ ! -e "$task/cancel" ] || set -- "$1" cancelled
    s_attempt=0 s_began=- s_gpus=-
    { read -r one one one s_attempt s_began one one s_gpus one <"$task/state"; } 2>/dev/null
    now
    put "$task/state" "S $1 $2 $s_attempt $s_began $now - ${s_gpus:--} - $why"
  fi
  bury "$1"
  put "$settling" free
}

# Runs `sh agent WORDS` so that it outlives us, in a session of its own where there is a way to have one.
detach() {
  (
    cd / || exit
    exec </dev/null >/dev/null 2>&1
    unset FLOW_TASK_MARK FLOW_TASK_ID FLOW_TASK_NAME FLOW_TASK_DIR
    own_session
    $session $sh "$(agent_of "$2")" "$@" &
  )
}

agent_of() { printf '%s/agent.sh' "$1"; }

# The words that give a command a session of its own, with no signal left ignored, in session=.
own_session() {
  session=
  if setsid true </dev/null; then
    session=setsid
    ! env --default-signal=INT,QUIT true || session='setsid env --default-signal=INT,QUIT'
  elif perl -MPOSIX -e 1; then
    session='perl -MPOSIX -e setsid;$SIG{INT}=$SIG{QUIT}="DEFAULT";exec{$ARGV[0]}@ARGV'
  elif (set -m && [ -n "${BASH_VERSION-}" ]); then
    set -m # a process group at least
  fi
} >/dev/null 2>&1

# For a process of its own.
settle_task() {
  root=${1%/tasks/*}
  boot_of_this_machine
  settle "${1##*/}"
}
