"""The gate that every change passes, and the audit log: refuses while read-only, and records each change.

The audit log is `actions.jsonl` in the state directory, one JSON object per line: time (UTC, ISO), user,
context, verb, target, call, result ("ok", "interrupted", or the error's message). A call is recorded in the
form that the user sees, so it never contains an environment value.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.regular_files import open_regular_stream, parse_json
from flow_core.config import state_dir
from flow_core.errors import FlowError, ReadOnly, printable

T = TypeVar("T")
_ROTATE_BYTES = 4 << 20
_READ_BYTES = 256 << 10
_TEXT_CHARACTERS_MAX = 8 << 10


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was not made yet. `call` is the exact call or command, for the user to read."""

    verb: str
    context: str
    target: str
    call: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A line of the audit log: a change that was tried, and its result."""

    time: str
    user: str
    context: str
    verb: str
    target: str
    call: str
    result: str


class AuditLog:
    """The append-only record of changes, shared by all programs of this user; at most two files of 4 MiB."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or state_dir() / "actions.jsonl"

    def append(self, entry: AuditEntry) -> None:
        """Appends one line in one write, so that lines of several programs never mix. Blocks for a local file write."""
        make_private_folder(self._path.parent)
        if self._size() > _ROTATE_BYTES:
            self._path.replace(self._path.with_suffix(".old.jsonl"))
        line = json.dumps(asdict(entry), ensure_ascii=True).encode() + b"\n"
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, line)
        finally:
            os.close(fd)

    def check(self) -> None:
        """Raises OSError if the log can't be appended to. Writes nothing."""
        make_private_folder(self._path.parent)
        os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))

    def read_recent(self, limit: int = 200) -> tuple[AuditEntry, ...]:
        """Returns the last entries, newest first, without lines that can't be read."""
        try:
            with open_regular_stream(self._path) as log:
                log.seek(max(0, self._size() - _READ_BYTES))
                lines = log.read(_READ_BYTES).splitlines()
        except OSError:
            return ()
        entries = [entry for line in reversed(lines) if (entry := _parse_entry(line))]
        return tuple(entries[:limit])

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0


class Gate:
    """The gate of changes: allows them, or refuses them while read-only. One gate serves all contexts of a program.

    `unlock` says what the user has to do to allow changes while read-only. `unlogged` is the reason why the last change
    is missing from the log; None if it is there.
    """

    def __init__(
        self, *, read_only: bool = False, unlock: str = "restart without --read-only", log: AuditLog | None = None
    ) -> None:
        self.read_only = read_only
        self.unlock = unlock
        self.unlogged: str | None = None
        self.log = log or AuditLog()

    async def apply(self, change: Change, call: Callable[[], Awaitable[T]]) -> T:
        """Runs `call` and logs its result. Raises the errors of `call`.

        Raises ReadOnly, and FlowError if the log can't be written, without running `call`. Once `call` has run, its
        answer is returned, logged or not: after an error, users would submit a second time.
        """
        if self.read_only:
            raise ReadOnly(f"read-only: {change.verb} {printable(change.target)} was not done; {self.unlock}")
        await asyncio.to_thread(self._check, change)
        result = "interrupted"
        try:
            value = await call()
            result = "ok"
            return value
        except FlowError as error:
            result = str(error)
            raise
        finally:
            await asyncio.shield(asyncio.to_thread(self._record, change, result))

    def _check(self, change: Change) -> None:
        try:
            self.log.check()
        except OSError as error:
            why = error.strerror or str(error)
            raise FlowError(
                f"{change.verb} {printable(change.target)} was not done: the audit log can't be written: {why}"
            ) from error

    def _record(self, change: Change, result: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        target, call = _shorten(change.target), _shorten(change.call)
        entry = AuditEntry(now, _user(), change.context, change.verb, target, call, _shorten(result))
        try:
            self.log.append(entry)
            self.unlogged = None
        except OSError as error:
            self.unlogged = error.strerror or str(error)


def _shorten(text: str) -> str:
    """Shortens a long text: a command of a megabyte would push all other lines out of view."""
    return text if len(text) <= _TEXT_CHARACTERS_MAX else f"{text[:_TEXT_CHARACTERS_MAX]}… ({len(text):,} characters)"


def _user() -> str:
    import getpass  # lazy import: few sessions change something

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _parse_entry(line: bytes) -> AuditEntry | None:
    try:
        return AuditEntry(**{key: str(value) for key, value in parse_json(line).items()})
    except (ValueError, TypeError, AttributeError):
        return None
