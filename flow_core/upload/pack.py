"""A folder's code as one archive, for where it has to travel within something else."""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile
from pathlib import Path

from flow_core.errors import ConfigError
from flow_core.upload.entry import Entry, SourceReader, Vanished
from flow_core.upload.git import GitSilent, look
from flow_core.upload.selection import Selection
from flow_core.upload.work_tree import find_work_tree


async def pack(source: Path, most_bytes: int, most_unpacked: int) -> bytes | None:
    """A tar.gz of what an upload would send; None as soon as it is clear that it would be longer than `most_bytes`.

    The same files are the same bytes. Raises ConfigError, also when the code is more than `most_unpacked` bytes.
    """
    root = await asyncio.to_thread(source.resolve)
    tree = await asyncio.to_thread(find_work_tree, root)
    kept = frozenset[str]()
    if tree is not None:
        try:
            kept = (await look(root, None)).kept
        except GitSilent:
            pass  # the rules alone decide, as where there is no git
    return await asyncio.to_thread(_pack, root, Selection(root, tree, kept), most_bytes, most_unpacked)


def _pack(root: Path, selection: Selection, most_bytes: int, most_unpacked: int) -> bytes | None:
    entries = _entries(root, selection, most_unpacked)
    if sum(entry.size for entry in entries) > most_bytes * 20:
        return None  # code is seldom packed to less
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for entry in sorted(entries):
            _add(archive, root, entry)
            if packed.tell() > most_bytes:
                return None
    data = packed.getvalue()
    return data if len(data) <= most_bytes else None


def _entries(root: Path, selection: Selection, most_unpacked: int) -> list[Entry]:
    found: list[Entry] = []
    size = 0
    for folder in selection.folders():
        found += folder
        size += sum(entry.size for entry in folder)
        if size > most_unpacked:
            raise ConfigError(
                f"code_root: {str(root)!r} holds more than {most_unpacked >> 20} MiB of code; name what isn't code in "
                ".flowignore, or write upload_code: false",
                field="code_root",
            )
    return found


def _add(archive: tarfile.TarFile, root: Path, entry: Entry) -> None:
    about = tarfile.TarInfo(entry.path)
    about.mode, about.mtime = entry.mode, entry.mtime_ns // 10**9
    if entry.target is not None:
        about.type, about.linkname = tarfile.SYMTYPE, entry.target
        archive.addfile(about)
        return
    try:
        reader = SourceReader(root / entry.path)
    except Vanished:
        return
    try:
        data = b"".join(iter(reader.read, b""))
    finally:
        reader.close()
    about.size = len(data)
    archive.addfile(about, io.BytesIO(data))
