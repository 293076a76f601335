"""Records on disk: JSON written whole or not at all, and locks. Standard library only."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flow_core.providers.local.supervisor.processes import Identity

VERSION = 1
FINAL = frozenset({"completed", "failed", "cancelled"})


class MalformedRecord(ValueError):
    """A record that is cut off, or isn't ours."""


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Replaces the file as one step that a crash can't halve."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps({"version": VERSION, **data}, separators=(",", ":")).encode()
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(fd)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_json(path: Path) -> dict[str, Any] | None:
    """The record, or None where there is none. Raises MalformedRecord."""
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise MalformedRecord(f"{path.name} can't be read: {error}") from error
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise MalformedRecord(f"{path.name} is of another version")
    return data


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


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock; waits for it."""
    fd = _open_lock(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock until it is closed, or None when another holds it."""
    fd = _open_lock(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
