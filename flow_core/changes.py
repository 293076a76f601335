"""The one gate that every change passes: refused while read-only, and written to the audit log.

The audit log is `actions.jsonl` in the state directory, one JSON object a line: time (UTC, ISO), user,
context, verb, target, call, result ("ok", "interrupted", or the error's sentence). It holds calls as they
are shown to people, so never an environment value.
"""

from __future__ import annotations

import asyncio
import getpass
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
_LONGEST_TEXT = 8 << 10


@dataclass(frozen=True, slots=True)
class Change:
    """What is about to be changed. `call` is the exact call or command, for people to read."""

    verb: str
    context: str
    target: str
    call: str


@dataclass(frozen=True, slots=True)
class Action:
    """A change that was tried, as the audit log holds it."""

    time: str
    user: str
    context: str
    verb: str
    target: str
    call: str
    result: str


class ActionLog:
    """Append-only record of changes, shared by every program of this user; at most two files of 4 MiB."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or state_dir() / "actions.jsonl"

    def append(self, action: Action) -> None:
        """One write, so that lines of several programs never mix. Blocks for a local file write."""
        make_private_folder(self._path.parent)
        if self._size() > _ROTATE_BYTES:
            self._path.replace(self._path.with_suffix(".old.jsonl"))
        line = json.dumps(asdict(action), ensure_ascii=True).encode() + b"\n"
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, line)
        finally:
            os.close(fd)

    def check(self) -> None:
        """Raises OSError where nothing could be appended. Writes nothing."""
        make_private_folder(self._path.parent)
        os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))

    def recent(self, limit: int = 200) -> tuple[Action, ...]:
        """The last actions, newest first; what can't be read is left out."""
        try:
            with open_regular_stream(self._path) as log:
                log.seek(max(0, self._size() - _READ_BYTES))
                lines = log.read(_READ_BYTES).splitlines()
        except OSError:
            return ()
        actions = [action for line in reversed(lines) if (action := _action(line))]
        return tuple(actions[:limit])

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0


class Gate:
    """Lets changes through, or not. One gate serves every context of a program.

    `unlogged` says why the last change that was made is missing from the log, None when it is there.
    """

    def __init__(self, *, read_only: bool = False, log: ActionLog | None = None) -> None:
        self.read_only = read_only
        self.unlogged: str | None = None
        self.log = log or ActionLog()

    async def apply(self, change: Change, call: Callable[[], Awaitable[T]]) -> T:
        """Runs `call` and logs how it ended. Raises what `call` raises.

        Without calling: ReadOnly, and FlowError where the log takes no line. Once the call was made its answer
        stands, logged or not: an error would have people submit a second time.
        """
        if self.read_only:
            raise ReadOnly(
                f"read-only: {change.verb} {printable(change.target)} was not done; restart without --read-only"
            )
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
        target, call = _cut(change.target), _cut(change.call)
        action = Action(now, _user(), change.context, change.verb, target, call, _cut(result))
        try:
            self.log.append(action)
            self.unlogged = None
        except OSError as error:
            self.unlogged = error.strerror or str(error)


def _cut(text: str) -> str:
    """A command of a megabyte would push every other line out of sight."""
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}… ({len(text):,} characters)"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _action(line: bytes) -> Action | None:
    try:
        return Action(**{key: str(value) for key, value in parse_json(line).items()})
    except (ValueError, TypeError, AttributeError):
        return None
