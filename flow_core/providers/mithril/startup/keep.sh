# Runs the task's command until its end is known. A later boot goes on with it.
set -u
root="${FLOW_NODE_ROOT:-}"
lib="$root/var/lib/flow" logs="$root/var/log/flow" run="$root/var/run"
. "$lib/task"
[ ! -e "$lib/workload-exit" ] || exit 0
put() { cat >"$1.new" && mv -f "$1.new" "$1"; }
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
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
[ ! -e "$lib/volumes.sh" ] || bash "$lib/volumes.sh" >>"$logs/user-workload.log"
attempt=0
[ ! -e "$lib/attempt" ] || attempt=$(cat "$lib/attempt")
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
  if [ -e "$lib/out-of-time" ]; then record "$code" timeout; break; fi
  [ -z "$watch" ] || kill "$watch" 2>/dev/null
  if [ "$code" -eq 0 ] || [ $((attempt + 1)) -ge "$ATTEMPTS" ]; then record "$code" ""; break; fi
  sleep "$(awk -v n="$attempt" -v d="$DELAY_S" -v f="$DELAY_FACTOR" -v m="$DELAY_MAX_S" \
    'BEGIN { d *= f ^ n; print (d < m ? d : m) }')"
  attempt=$((attempt + 1))
done
