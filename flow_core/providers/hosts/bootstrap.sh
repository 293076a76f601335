# Finds a Python 3.8 or newer on this machine and becomes it, with the loader that follows on standard input.
# flow_python: the interpreter that the settings name, or "". flow_known: the one that was found here before, or "".
# flow_loader: the code that Python runs first. The arguments are passed to Python.

# A candidate may hang, or be a script of any kind: it has 5 s.
flow_fits() {
  [ -x "$1" ] && [ ! -d "$1" ] || return 1
  if [ "$flow_system" = Darwin ]; then
    case $1 in /usr/bin/*) return 1 ;; esac # without developer tools this opens a dialog on that Mac's screen
  fi
  {
    "$1" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 8))' </dev/null &
    flow_pid=$!
    (
      trap 'kill "$flow_nap"; exit' TERM
      sleep 5 &
      flow_nap=$!
      wait "$flow_nap" && kill -9 "$flow_pid" # without sleep(1) there is no limit
    ) </dev/null &
    flow_watch=$!
    wait "$flow_pid"
    flow_code=$?
    kill "$flow_watch"
    wait "$flow_watch"
  } >/dev/null 2>&1
  return "$flow_code"
}

flow_find() {
  for flow_name in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 python; do
    flow_path=$(command -v "$flow_name" 2>/dev/null) && case $flow_path in
      /*) flow_fits "$flow_path" && return ;;
    esac
  done
  for flow_path in \
    "${CONDA_PREFIX:-/nowhere}/bin/python3" "$HOME"/*conda3/bin/python3 "$HOME"/*forge*/bin/python3 \
    "$HOME"/.local/bin/python3* "$HOME"/.pyenv/versions/*/bin/python3 "$HOME"/.local/share/uv/python/*/bin/python3 \
    "$HOME"/.venv/bin/python3 "$HOME"/venv/bin/python3 \
    /usr/bin/python3* /usr/local/bin/python3* /opt/homebrew/bin/python3* /opt/*/bin/python3 \
    /opt/python/*/bin/python3 /Library/Developer/CommandLineTools/usr/bin/python3; do
    case $flow_path in *-config) continue ;; esac
    flow_fits "$flow_path" && return
  done
  return 1
}

flow_system=$(uname)
if [ -n "$flow_python" ]; then
  case $flow_python in "~/"*) flow_python=$HOME/${flow_python#"~/"} ;; esac
  case $flow_python in */*) flow_path=$flow_python ;; *) flow_path=$(command -v "$flow_python") ;; esac
  flow_fits "$flow_path" || exit 42
elif [ -n "$flow_known" ] && [ -x "$flow_known" ]; then
  flow_path=$flow_known # it was suitable before; if it no longer is, it reports that
else
  flow_find || exit 41
fi
exec "$flow_path" -I -S -c "$flow_loader" "$@"
