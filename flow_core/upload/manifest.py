"""`.flow-sync.json` at the destination: the files that uploads wrote, and the git state they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from flow_core.agent.regular_files import parse_json

MANIFEST = ".flow-sync.json"
_VERSION = 1


class Record(NamedTuple):
    """A file or link as the upload wrote it. `target` is the target of a link, None for a file."""

    size: int = 0
    mtime_ns: int = 0
    mode: int = 0
    digest: str = ""
    target: str | None = None


class Marker(NamedTuple):
    """The git state of an upload.

    It holds the checked-out commit, the paths that differed from it, and the (size, mtime_ns) of every ignore file that
    was read. A later upload asks git only for the differences to it.
    """

    commit: str
    changed: tuple[str, ...]
    rule_files: dict[str, tuple[int, int]]


@dataclass(slots=True)
class Manifest:
    """The content of the manifest file. `source` is a digest of the source's path.

    `marker` is None while the destination isn't known to hold one consistent git state. `pending` are paths that an
    upload was about to create; a killed upload may have written them without recording them.
    """

    source: str = ""
    marker: Marker | None = None
    files: dict[str, Record] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)

    def encode(self) -> bytes:
        # Each file is a plain list, so that a manifest of 200,000 files stays cheap to read.
        data: dict[str, Any] = {"version": _VERSION, "source": self.source, "marker": None}
        if self.marker is not None:
            data["marker"] = self.marker._asdict()
        data["folders"] = sorted(self.folders)
        data["pending"] = sorted(self.pending)
        data["files"] = {path: self.files[path] for path in sorted(self.files)}
        return json.dumps(data, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes | None) -> Manifest:
        """Returns an empty manifest if the data is missing, broken or of another version."""
        try:
            found = parse_json(data or b"{}")
            if found["version"] != _VERSION:
                return cls()
            files = {_path(path): _record(fields) for path, fields in found["files"].items()}
            folders, pending = ({_path(path) for path in found[name]} for name in ("folders", "pending"))
            return cls(_text(found["source"]), _marker(found["marker"]), files, folders, pending)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return cls()


def make_source_key(source: Path) -> str:
    """Returns a digest of the path that doesn't reveal it to readers of the manifest."""
    return hashlib.blake2b(str(source).encode(errors="surrogateescape"), digest_size=16).hexdigest()


def _record(fields: Iterable[Any]) -> Record:
    size, mtime_ns, mode, digest, target = fields
    if not (type(size) is type(mtime_ns) is type(mode) is int):
        raise TypeError
    return Record(size, mtime_ns, mode, _text(digest), None if target is None else _text(target))


def _marker(fields: dict[str, Any] | None) -> Marker | None:
    if fields is None:
        return None
    stamps = {_text(path): (int(size), int(mtime_ns)) for path, (size, mtime_ns) in fields["rule_files"].items()}
    return Marker(_text(fields["commit"]), tuple(_text(path) for path in fields["changed"]), stamps)


def _path(value: object) -> str:
    """Checks a path. Raises ValueError if it leads out of the destination: others may have written the manifest."""
    path = _text(value)
    if {"", ".", ".."} & set(path.split("/")):
        raise ValueError
    return path


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
