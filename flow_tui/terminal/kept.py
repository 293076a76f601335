"""Shells that outlive their terminal: the command that begins one in tmux, or finds it again."""

from __future__ import annotations

import shlex

# A server of its own, so that what runs there has the task's environment and mounts and ends with the task; the user's
# own tmux is another. Left as it is, Esc would wait for half a second, 24-bit colours would be lost, the wheel would
# type arrows, and a row would go to what our border says. Whoever attaches takes it over, since a terminal that was
# lost would hold it to its size. A variable by which a container ends what was entered must not find what is kept.
_NONE = "there is no tmux here; install it to use a persistent shell, or open an ordinary shell"
_KEEP = (
    f"command -v tmux >/dev/null 2>&1 || {{{{ echo '{_NONE}'; exit 127; }}}}; "
    r"unset TMUX TMUX_PANE $(env | sed -n 's/^\(FLOW_ENTRY_[0-9a-f]*\)=.*/\1/p'); "
    "exec tmux -u -L {name} set -sq escape-time 10 ';' set -gaq terminal-overrides ',*:Tc' ';' "
    "set -gq mouse on ';' set -gq status off ';' new-session -A -D -s {name} \"exec ${{SHELL:-/bin/sh}} -i\""
)
_END = "tmux -L {name} kill-server"


def keep(task_id: str, node: int) -> str:
    """A shell line, for a shell of any grammar. It ends when the terminal detaches, or the persistent shell ends."""
    return _line(_KEEP.format(name=_name(task_id, node)))


def end(task_id: str, node: int) -> str:
    """A shell line that ends the persistent shell and what runs in it. Where there is none it fails."""
    return _line(_END.format(name=_name(task_id, node)))


def _name(task_id: str, node: int) -> str:
    return shlex.quote(f"flow-{task_id}-{node}")


def _line(script: str) -> str:
    """On one line: csh ends a quotation with its line."""
    return f"exec /bin/sh -c {shlex.quote(script)}"
