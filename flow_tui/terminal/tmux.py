"""Commands that start, attach to and kill a persistent shell, which runs in tmux."""

from __future__ import annotations

import shlex

# Each shell has its own tmux server, separate from the user's, so that it has the environment and the mounts of the
# task and ends with the task. The settings remove the half second that tmux waits after Esc, enable 24-bit colours and
# the mouse wheel, and hide the status line, which repeats the pane's border. Attaching detaches other clients (-D),
# because a lost terminal would determine the size. FLOW_ENTRY_* marks the processes that a container ends with their
# entry; the shell must not inherit it.
_NO_TMUX = "there is no tmux here; install it to use a persistent shell, or open an ordinary shell"
_ATTACH = (
    f"command -v tmux >/dev/null 2>&1 || {{{{ echo '{_NO_TMUX}'; exit 127; }}}}; "
    r"unset TMUX TMUX_PANE $(env | sed -n 's/^\(FLOW_ENTRY_[0-9a-f]*\)=.*/\1/p'); "
    "exec tmux -u -L {name} set -sq escape-time 10 ';' set -gaq terminal-overrides ',*:Tc' ';' "
    "set -gq mouse on ';' set -gq status off ';' new-session -A -D -s {name} \"exec ${{SHELL:-/bin/sh}} -i\""
)
_KILL = "tmux -L {name} kill-server"


def attach_command(task_id: str, node: int) -> str:
    """Returns a command line that attaches to the persistent shell until the terminal detaches. Starts it if needed."""
    return _command_line(_ATTACH.format(name=_session_name(task_id, node)))


def kill_command(task_id: str, node: int) -> str:
    """Returns a command line that kills the persistent shell and its processes. It fails if there is none."""
    return _command_line(_KILL.format(name=_session_name(task_id, node)))


def _session_name(task_id: str, node: int) -> str:
    return shlex.quote(f"flow-{task_id}-{node}")


def _command_line(script: str) -> str:
    """Makes a command line for any shell. It is one line, because csh ends a quotation at the end of the line."""
    return f"exec /bin/sh -c {shlex.quote(script)}"
