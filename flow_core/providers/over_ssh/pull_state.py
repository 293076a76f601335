"""The offset of a spool in the remote file from which it is copied; stored on disk beside the spool."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple, Self

from flow_core.agent.records import MalformedRecord, read_json, write_json
from flow_core.agent.spool import SpoolFiles
from flow_core.errors import ProviderError, printable
from flow_core.logs.log_id import LogId

_PLAIN = re.compile(r"[a-z0-9_][a-z0-9_-]{0,80}")


class SpoolPaths(NamedTuple):
    """The files of one log: the spool, the pull state, and the lock of the program that pulls."""

    files: SpoolFiles
    state: Path
    lock: Path

    @classmethod
    def at(cls, folder: Path, address: LogId) -> Self:
        """Returns the paths of a log's files in `folder`."""
        home = folder / _to_file_name(address.context) / _to_file_name(address.task_id)
        stem = f"{address.attempt}-{address.rank}"
        return cls(SpoolFiles.at(home / stem), home / f"{stem}.json", home / f"{stem}.lock")


class PullState(NamedTuple):
    """The spool's bytes from `base` on are those of the remote file `inode` from its start; their count is the offset.

    `words` is flow's own note and ends at `base`; a shorter spool lacks a part of it. `inode` is None until something
    was read, and after the remote file was lost. `machine` is the machine with the remote file; "" if it is unknown.
    """

    inode: int | None = None
    base: int = 0
    words: str = ""
    is_complete: bool = False
    machine: str = ""


def read_pull_state(path: Path) -> PullState | None:
    """Reads the state; None if nothing of the log was ever read. Raises ProviderError."""
    try:
        data = read_json(path)
        if data is None:
            return None
        data = {"machine": ""} | data  # earlier versions did not store it
        return PullState(**{name: data[name] for name in PullState._fields})
    except (MalformedRecord, KeyError) as error:
        folder = printable(str(path.parent))
        raise ProviderError(f"what was fetched of this log can't be used; delete {folder} to fetch it anew") from error


def write_pull_state(path: Path, state: PullState) -> None:
    write_json(path, state._asdict())


def _to_file_name(text: str) -> str:
    """Returns a unique file name for the text, also on case-insensitive file systems."""
    if _PLAIN.fullmatch(text):
        return text
    plain = re.sub(r"[^a-z0-9_-]", "-", text.lower())[:40]
    return f"{plain}.{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
