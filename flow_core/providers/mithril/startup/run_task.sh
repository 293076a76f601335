# Runs the task's command until its end is known. A later boot resumes it.
set -u
root="${FLOW_NODE_ROOT:-}"
lib="$root/var/lib/flow" logs="$root/var/log/flow" run="$root/var/run"
. "$lib/task"
[ ! -e "$lib/workload-exit" ] || exit 0
put() { cat >"$1.new" && mv -f "$1.new" "$1"; }
now() { date -u +%Y-%m-%dT%H:%M:%S.%6NZ; }
record() { # code reason
  printf 'EXIT_CODE=%s\nEXITED_AT=%s\nATTEMPT=%s\nREASON=%s\n' "$1" "$(now)" "$attempt" "$2" | put "$lib/workload-exit"
}
end_it() { # pid: the command leads a process group, so that all of it can be ended
  kill -TERM -- "-$1"
  for _ in $(seq 30); do kill -0 -- "-$1" || return; sleep 1; done
  [ -z "$IMAGE" ] || docker kill main
  kill -KILL -- "-$1"
}
limit() { # pid
  local left=$(($(cat "$lib/began") + LIMIT_S - $(date +%s)))
  [ "$left" -le 0 ] || sleep "$left"
  : >"$lib/out-of-time"
  end_it "$1"
}
say() { # in the log, on a separate line
  local log="$logs/user-workload.log"
  [ -z "$(tail -c 1 "$log")" ] || echo >>"$log"
  printf '[flow] %s\n' "$1" >>"$log"
}
watch_signal() { # logs a notice that this machine will end
  local file="$root/opt/mithril/MITHRIL_SIGNAL.yml" last= now word
  while sleep 2; do
    now=$(cat "$file" 2>/dev/null)
    [ "$now" != "$last" ] || continue
    word=$(sed -n 's/^instance_status: *STATUS_//p' <<<"$now")
    if [ -z "$now" ]; then say "this machine stays"; else
      say "${word,,}: this machine ends at $(sed -n 's/^end_time: *//p' <<<"$now"), and with it what runs here"
    fi
    last=$now
  done
}
pid= ending=
trap 'ending=1; [ -z "$pid" ] || kill -TERM -- "-$pid"' TERM # the machine stops; the command has not ended
[ ! -e "$lib/volumes.sh" ] || bash "$lib/volumes.sh" >>"$logs/user-workload.log"
attempt=0
[ ! -e "$lib/attempt" ] || attempt=$(cat "$lib/attempt")
[ ! -e "$lib/started-$attempt" ] || say "the machine has started again, and the command with it"
watch_signal >/dev/null 2>&1 &
watcher=$!
[ -e "$lib/began" ] || date +%s | put "$lib/began"
while :; do
  echo "$attempt" | put "$lib/attempt"
  now | put "$lib/started-$attempt"
  : >>"$logs/attempt-$attempt.log"
  ln -sfn "attempt-$attempt.log" "$logs/user-workload.log"
  setsid "$lib/start" >>"$logs/attempt-$attempt.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" | put "$run/flow-user-workload.pid"
  watch=
  if [ "$LIMIT_S" -gt 0 ]; then limit "$pid" >/dev/null 2>&1 & watch=$!; fi
  wait "$pid"
  code=$?
  if [ -n "$ending" ]; then wait "$pid"; kill "$watcher"; exit 0; fi
  if [ -e "$lib/out-of-time" ]; then record "$code" timeout; break; fi
  [ -z "$watch" ] || kill "$watch" 2>/dev/null
  if [ "$code" -eq 0 ] || [ $((attempt + 1)) -ge "$ATTEMPTS" ]; then record "$code" ""; break; fi
  sleep "$(awk -v n="$attempt" -v d="$DELAY_S" -v f="$DELAY_FACTOR" -v m="$DELAY_MAX_S" \
    'BEGIN { d *= f ^ n; print (d < m ? d : m) }')" &
  wait $!
  [ -z "$ending" ] || break
  attempt=$((attempt + 1))
done
kill "$watcher"
