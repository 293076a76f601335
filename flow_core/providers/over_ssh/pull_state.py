"""The offset of a spool in the remote file that it is copied from; kept on disk beside the spool."""

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
        home = folder / _name(address.context) / _name(address.task_id)
        stem = f"{address.attempt}-{address.rank}"
        return cls(SpoolFiles.at(home / stem), home / f"{stem}.json", home / f"{stem}.lock")


class PullState(NamedTuple):
    """The spool's bytes from `base` on are those of the far file `inode` from its start: their count is the offset.

    `words` are ours and end at `base`; a spool that is shorter still lacks a part of them. `inode` is None until
    something was read, and after the far file was lost. `machine` is the one that has the far file, "" where nobody
    says.
    """

    inode: int | None = None
    base: int = 0
    words: str = ""
    is_complete: bool = False
    machine: str = ""


def read_pull_state(path: Path) -> PullState | None:
    """None where nothing was ever read. Raises ProviderError."""
    try:
        data = read_json(path)
        if data is None:
            return None
        data = {"machine": ""} | data  # earlier versions did not know of any
        return PullState(**{name: data[name] for name in PullState._fields})
    except (MalformedRecord, KeyError) as error:
        where = printable(str(path.parent))
        raise ProviderError(f"what was fetched of this log can't be used; delete {where} to fetch it anew") from error


def write_pull_state(path: Path, state: PullState) -> None:
    write_json(path, state._asdict())


def _name(text: str) -> str:
    """Safe in a path, and no two the same, also where the file system tells no capitals from small letters."""
    if _PLAIN.fullmatch(text):
        return text
    plain = re.sub(r"[^a-z0-9_-]", "-", text.lower())[:40]
    return f"{plain}.{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
