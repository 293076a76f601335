"""What a node's keeper wrote of its command, as the state that an agent would have written of it."""

from __future__ import annotations

from flow_core.agent.state import TaskState
from flow_core.providers.mithril.bids import moment

_REASON_SHOWN = 300
_MOST_ATTEMPTS = 1000  # each has a log: a machine that lies must not make us list millions


def state_of_node(text: str) -> TaskState:
    """Reads its lines, `workload-exit` among them; what isn't there or is nonsense is unknown.

    The message is why it ended: "timeout", or why it never began.
    """
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    state = TaskState()
    state.attempt = min(_whole(said.get("ATTEMPT", "")) or 0, _MOST_ATTEMPTS)
    state.started_at = _seconds(said.get("STARTED_AT"))
    state.exit_code = _whole(said.get("EXIT_CODE", ""))
    state.message = said.get("REASON", "")[:_REASON_SHOWN]
    if state.exit_code is not None:
        state.status = "failed" if state.exit_code else "completed"
        state.completed_at = _seconds(said.get("EXITED_AT"))
    elif state.started_at is not None:
        state.status = "running"
    return state


def _seconds(text: str | None) -> float | None:
    found = moment(text)
    return None if found is None else found.timestamp()


def _whole(text: str) -> int | None:
    return int(text[:9]) if text.isascii() and text.isdecimal() else None
