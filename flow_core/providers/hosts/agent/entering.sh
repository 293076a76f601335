# Becoming the task, or somebody inside of it.

launch() {
  flow_task=$1
  environment "$2"
  . "$flow_task/task.sh"
  [ -z "${flow_visible+x}" ] || export CUDA_VISIBLE_DEVICES="$flow_visible"
  unset flow_task flow_visible
  exec "$@"
}

enter() {
  flow_task=$1 flow_command=${2-} flow_enter=$#
  { read -r one one one one one one one gpus one <"$1/state"; } 2>/dev/null
  [ "$gpus" != - ] || gpus=
  environment "$(echo "$gpus" | tr , ' ')"
  . "$flow_task/task.sh"
  [ -z "${flow_visible+x}" ] || export CUDA_VISIBLE_DEVICES="$flow_visible"
  set -- "${SHELL:-bash}"
  command -v "$1" >/dev/null 2>&1 || set -- /bin/sh
  if [ "$flow_enter" -gt 1 ]; then set -- "$1" -c "$flow_command"; else set -- "$1" -l; fi
  unset flow_task flow_visible flow_command flow_enter
  exec "$@"
}

environment() {
  . "$flow_task/plan"
  read -r FLOW_TASK_MARK <"$flow_task/mark"
  export FLOW_TASK_MARK
  read -r usual_mask <"$flow_task/umask"
  umask "$usual_mask"
  visible "$1"
  if [ -n "$shown" ] || [ "$hide" = 1 ]; then flow_visible=$shown; else unset flow_visible; fi
  cd -- "$dir" || exit 127
  unset OLDPWD SSH_CLIENT SSH_CONNECTION SSH_TTY SSH_AUTH_SOCK SSH_ORIGINAL_COMMAND
}
