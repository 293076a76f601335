"""What the supervisor of a task writes down of it. Standard library only."""

from __future__ import annotations

from pathlib import Path

from flow_core.providers.local.supervisor.processes import Identity
from flow_core.providers.records import MalformedRecord, read_json, write_json

FINAL = frozenset({"completed", "failed", "cancelled"})


class State:
    """What the supervisor says of its task. Times are seconds since the epoch."""

    status: str = "pending"
    message: str = ""
    supervisor: Identity | None = None
    children: list[Identity]
    started_at: float | None = None
    completed_at: float | None = None
    exit_code: int | None = None
    attempt: int = 0
    between_attempts: bool = False
    gpus: list[str]
    master_port: int | None = None
    mounts_taken: bool = False
    namespaced: bool = False
    working_dir: str = ""

    def __init__(self) -> None:
        self.children = []
        self.gpus = []

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def child(self) -> Identity | None:
        """The main process of rank 0; None while none runs or ever ran."""
        return self.children[0] if self.children else None

    def write(self, path: Path) -> None:
        data = {name: getattr(self, name) for name in _FIELDS}
        data["supervisor"] = None if self.supervisor is None else self.supervisor._asdict()
        data["children"] = [child._asdict() for child in self.children]
        write_json(path, data)

    @classmethod
    def read(cls, path: Path) -> State | None:
        """Raises MalformedRecord."""
        data = read_json(path)
        if data is None:
            return None
        state = cls()
        for name in _FIELDS:
            if name in data:
                setattr(state, name, data[name])
        try:
            state.supervisor = Identity.parse(data.get("supervisor"))
            state.children = [one for child in state.children if (one := Identity.parse(child)) is not None]
            _check_types(state)
        except (TypeError, KeyError, ValueError) as error:
            raise MalformedRecord(f"{path.name} does not hold a task's state") from error
        return state


_FIELDS = tuple(State.__annotations__)


def _check_types(state: State) -> None:
    if not isinstance(state.status, str) or not isinstance(state.message, str) or not isinstance(state.gpus, list):
        raise ValueError
    for number in (state.started_at, state.completed_at, state.exit_code, state.master_port):
        if number is not None and not isinstance(number, int | float):
            raise ValueError
    if not isinstance(state.attempt, int):
        raise ValueError
