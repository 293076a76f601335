# Keeping a task.

keep() {
  task=$1 root=${1%/tasks/*} id=${1##*/}
  boot_of_this_machine
  told= over= late= hit= launched= ending= sleeping=
  trap 'told=1; stop' TERM INT QUIT
  trap 'over=1; stop' ALRM
  trap : HUP
  began $$
  put "$task/keeper.new" "$$ $start $boot"
  ln "$task/keeper.new" "$task/keeper" 2>/dev/null || exit 0
  . "$task/plan"
  read -r mark <"$task/mark"
  own_session
  attempt=0 word=pending began_at=- ended_at=- code=- gpus= child=- message= timer=
  save
  if { [ "$count" = 0 ] || wait_for_gpus; } && { [ "$ranks" = 1 ] || wait_for_others; }; then
    make_attempts
  else
    stopped
  fi
  now
  ended_at=$now child=-
  until save; do nap 1; done # the disk may be full
  bury "$id"
  release_gpus
  leave_the_line
  [ -z "$timer" ] || kill -s TERM "$timer" 2>/dev/null
}

# A task on several machines: whoever submitted it says go once all of them are ready.
wait_for_others() {
  word=ready message='ready, waits for the other machines'
  save
  ticks=0
  while [ ! -e "$task/go" ]; do
    ! is_stopped || return 1
    ticks=$(($ticks + 1))
    [ $ticks -lt 600 ] || { late=1; return 1; }
    nap 0.1
  done
}

save() {
  held_gpus=$(echo $gpus | tr ' ' ,)
  put "$task/state" "S $id $word $attempt $began_at $ended_at $code ${held_gpus:--} $child $message"
}

say() {
  [ "$message" != "$1" ] || return 0
  message=$1
  save
}

is_stopped() { [ -n "$told$over" ] || [ -e "$task/cancel" ]; }

make_attempts() {
  now
  began_at=$now
  [ -z "$limit_s" ] || limit_time
  set -- $delays
  tries=$(($# + 1))
  while :; do
    run_once
    [ "$word" = failed ] && [ -z "$was_stopped" ] && [ $# -gt 0 ] || break
    wait_before_next "$1" || break
    shift
    attempt=$(($attempt + 1))
  done
  if [ $tries -gt 1 ] && [ "$word" = failed ] && [ -z "$was_stopped" ]; then
    message="all $tries attempts failed, the last $how"
  fi
}

run_once() {
  mkdir -p "$task/attempt-$attempt"
  hit= was_stopped= ending= launched=
  log=$task/attempt-$attempt/rank-$rank.log
  FLOW_TASK_MARK=$mark $session $sh "$task/agent.sh" launch "$task" "$gpus" >>"$log" 2>&1 </dev/null &
  child=$!
  began $child
  put "$task/child" "$child ${start:-0} $boot"
  launched=1 word=running code=- message=$notice
  save
  leave_the_line
  ! is_stopped || stop
  while :; do
    hit=
    wait $child
    code=$?
    [ -n "$hit" ] || break
    # A signal of ours came. The end of the task may have come with it, and wait have told of either.
    kill -0 $child 2>/dev/null || { again=127; wait $child || again=$?; [ $again = 127 ] || code=$again; break; }
  done
  launched=
  end_all "$id"
  if [ -n "$ending" ]; then stopped; else judge; fi
}

# What a signal does. It may come just before a wait, which then would not know of it: what is waited for is ended here.
stop() {
  hit=1
  [ -z "$sleeping" ] || kill -s TERM $sleeping 2>/dev/null
  [ -n "$launched" ] && [ -z "$ending" ] || return 0
  ending=1
  end_all "$id" &
}

judge() {
  word=completed how=
  [ "$code" != 0 ] || return 0
  word=failed message= how="with exit code $code"
  [ "$code" -gt 128 ] && by=$(kill -l $(($code - 128)) 2>/dev/null) && [ -n "$by" ] || return 0
  message="killed by SIG$by" how="(killed by SIG$by)"
}

stopped() {
  was_stopped=1
  if [ -e "$task/cancel" ]; then
    word=cancelled message=
  elif [ -n "$late" ]; then
    word=failed message='lost: nobody said go, its submitter ended first'
  elif [ -n "$over" ]; then
    word=failed message="stopped after $max_hours h (max_run_time_hours)"
  else
    word=failed message='stopped: its keeper was told to end, as when the machine shuts down'
  fi
}

wait_before_next() {
  word=between child=-
  message="attempt $(($attempt + 1)) failed $how; attempt $(($attempt + 2)) of $tries starts in $1 s"
  save
  sleep "$1" &
  sleeping=$!
  ! is_stopped || stop
  wait $sleeping
  sleeping=
  if is_stopped; then
    failed="attempt $(($attempt + 1)) of $tries failed $how"
    stopped
    message="${message:+$message; }$failed"
    return 1
  fi
}

limit_time() {
  (
    trap 'kill -s TERM $napping 2>/dev/null; exit 0' TERM
    sleep "$limit_s" &
    napping=$!
    wait $napping
    ! named "$task/keeper" || kill -s ALRM "$pid"
  ) &
  timer=$!
}

visible() {
  shown=
  for gpu in $1; do
    case $gpu in pretend-*) shown=$shown,${gpu##*-} ;; *) shown=$shown,$gpu ;; esac
  done
  shown=${shown#,}
}
