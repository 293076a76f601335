# The same for each task; the variables above have the request. Root runs it when the node first boots.
# FLOW_NODE_ROOT is the prefix of every path, for a node that is only a folder.
set -u
root="${FLOW_NODE_ROOT:-}"
lib="$root/var/lib/flow" logs="$root/var/log/flow"
mkdir -p "$lib" "$logs" "$root/var/run"
[ ! -e "$lib/booted" ] || exit 0
: >"$lib/booted"
: >>"$logs/attempt-0.log"
ln -sfn attempt-0.log "$logs/user-workload.log"
give_up() { # records why the task can't begin
  printf '[flow] %s\n' "$1" >>"$logs/attempt-0.log"
  printf 'EXIT_CODE=125\nEXITED_AT=%s\nATTEMPT=0\nREASON=%s\n' "$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)" "$1" >"$lib/exit.new"
  mv -f "$lib/exit.new" "$lib/workload-exit"
  exit 1
}
give() { ! id ubuntu >/dev/null 2>&1 || chown "$@" 2>/dev/null; true; }

if [ -n "$VOLUMES" ]; then
  echo "$VOLUMES" >"$lib/volumes"
  base64 -d <<<"$MOUNTING" >"$lib/volumes.sh"
  said=$(bash "$lib/volumes.sh") || give_up "$said"
fi

# The ranks: every node reads the same list, from its last line (the head) upwards.
addresses_of() { awk -v name="$1" '{ for (i = 2; i <= NF; i++) if ($i == name) print $1 }' "$root/etc/hosts"; }
ranks() {
  local all own mine= head
  all=$(awk '$1 ~ /^(10|192\.168|172\.(1[6-9]|2[0-9]|3[01]))\./ { print $1 }' "$root/etc/hosts" | tac | awk '!seen[$0]++')
  [ "$(wc -l <<<"$all")" -eq "$NODES" ] || give_up "/etc/hosts names $(wc -l <<<"$all") nodes, the task has $NODES"
  for own in ${FLOW_NODE_ADDRESS:-$(hostname -I) $(addresses_of "$(hostname)")}; do mine=$(grep -nxF "$own" <<<"$all") && break; done
  [ -n "$mine" ] || give_up "/etc/hosts doesn't name this node"
  mine=$((${mine%%:*} - 1)) head=${all%%$'\n'*}
  echo "FLOW_NODE_RANK=$mine FLOW_NUM_NODES=$NODES"
  [ "$DISTRIBUTED" != manual ] || return 0
  echo "HEAD_NODE_IP=$head HEAD_NODE=$head FLOW_MAIN_IP=$head MASTER_ADDR=$head PET_MASTER_ADDR=$head"
  echo "NUM_NODES=$NODES WORLD_SIZE=$NODES PET_NNODES=$NODES MASTER_PORT=29500 PET_MASTER_PORT=29500"
  echo "NODE_RANK=$mine RANK=$mine GROUP_RANK=$mine PET_NODE_RANK=$mine LOCAL_RANK=0 LOCAL_WORLD_SIZE=1"
}
places='FLOW_NODE_RANK=0 FLOW_NUM_NODES=1'
[ "$NODES" -eq 1 ] || places=$(ranks) || exit 1
[ "$DISTRIBUTED" = manual ] || places="$places GPU_COUNT=$GPU_COUNT"

# The environment, the command, start and enter.
work="$root$WORKING_DIR"
mkdir -p "$work"
give ubuntu: "$work"
(
  umask 077
  { echo export $places; base64 -d <<<"$ENVIRONMENT"; } >"$lib/env"
  base64 -d <<<"$COMMAND" >"$lib/command"
  for name in IMAGE ATTEMPTS DELAY_S DELAY_FACTOR DELAY_MAX_S LIMIT_S; do printf '%s=%q\n' "$name" "${!name}"; done >"$lib/task"
)
into=$(printf '. %q\ncd %q || exit 126' "$lib/env" "$work")
if [ -z "$IMAGE" ]; then
  printf '#!/bin/bash\n%s\nexec bash %q\n' "$into" "$lib/command" >"$lib/start"
  printf '#!/bin/bash\n%s\nexec bash "${@:--l}"\n' "$into" >"$lib/enter"
else
  command -v docker >/dev/null || { apt-get update -qq && apt-get install -yqq docker.io; } >/dev/null 2>&1 ||
    give_up "the node has no docker, and it can't be installed"
  options=(--name main --init --network host --ipc host -w "$WORKING_DIR" -v "$work:$WORKING_DIR")
  ! command -v nvidia-smi >/dev/null || options+=(--gpus all)
  # Names only: docker takes the values from its own environment, which no list of processes shows.
  for name in $NAMES $(tr ' ' '\n' <<<"$places" | cut -d= -f1); do options+=(-e "$name"); done
  {
    printf '#!/bin/bash\n%s\ndocker rm -f main >/dev/null 2>&1\nmounts=()\n' "$into"
    printf '[ ! -e %q ] || while read -r _ _ _ at; do mounts+=(-v %q"$at:$at"); done <%q\n' \
      "$lib/volumes" "$root" "$lib/volumes"
    printf 'exec docker run "${mounts[@]}"'
    printf ' %q' "${options[@]}" -v "$lib/command:/flow-command:ro" "$IMAGE" sh /flow-command
  } >"$lib/start"
  cat >"$lib/enter" <<'ENTER'
#!/bin/bash
[ ! -t 0 ] || set -- -t "$@"
terminal=(); [ "${1-}" != -t ] || { terminal=(-t); shift; }
[ $# -gt 0 ] || set -- -c 'command -v bash >/dev/null && exec bash -l; exec sh -l'
exec docker exec -i "${terminal[@]}" main sh "$@"
ENTER
fi
chmod 755 "$lib/start" "$lib/enter"

# The code: in CODE, or sent later.
if [ -n "$CODE" ]; then
  base64 -d <<<"$CODE" | tar -xz -C "$work" --no-same-owner || give_up "the code could not be unpacked in $WORKING_DIR"
  give -R ubuntu: "$work"
fi
waited=0
while [ "$CODE_WAIT_S" -gt 0 ] && [ ! -e "$lib/code-is-there" ]; do
  [ "$waited" -lt "$CODE_WAIT_S" ] || give_up "the code did not arrive within $CODE_WAIT_S s"
  sleep 1
  waited=$((waited + 1))
done

base64 -d <<<"$RUN_TASK" >"$lib/run_task.sh"
if [ -z "$root" ] && [ -d /run/systemd/system ]; then
  printf '%s\n' '[Unit]' 'Description=the command of a flow task' 'After=network-online.target docker.service' \
    '[Service]' "ExecStart=/bin/bash $lib/run_task.sh" KillMode=mixed '[Install]' 'WantedBy=multi-user.target' \
    >/etc/systemd/system/flow-workload.service
  systemctl daemon-reload && systemctl enable --now flow-workload.service && exit 0
fi
setsid bash "$lib/run_task.sh" </dev/null >/dev/null 2>&1 &
