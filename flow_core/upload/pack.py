"""Packs a folder's code into one archive, for example to embed it in a startup script."""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile
from pathlib import Path

from flow_core.errors import ConfigError
from flow_core.upload.file_walk import FileWalk
from flow_core.upload.git import GitUnavailable, read_git_status
from flow_core.upload.git_work_tree import find_work_tree
from flow_core.upload.source import SourceEntry, SourceGone, SourceReader


async def pack(source: Path, most_bytes: int, most_unpacked: int) -> bytes | None:
    """Returns a tar.gz of the files that an upload would send, or None if it would be larger than `most_bytes`.

    The same files give the same bytes. Raises ConfigError, also if the files have more than `most_unpacked` bytes.
    """
    root = await asyncio.to_thread(source.resolve)
    tree = await asyncio.to_thread(find_work_tree, root)
    tracked_ignored = frozenset[str]()
    if tree is not None:
        try:
            tracked_ignored = (await read_git_status(root, None)).tracked_ignored
        except GitUnavailable:
            pass  # without git, the ignore rules alone decide
    return await asyncio.to_thread(_pack, root, FileWalk(root, tree, tracked_ignored), most_bytes, most_unpacked)


def _pack(root: Path, walk: FileWalk, most_bytes: int, most_unpacked: int) -> bytes | None:
    entries = _entries(root, walk, most_unpacked)
    if sum(entry.size for entry in entries) > most_bytes * 20:
        return None  # code rarely compresses better than 20:1
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


def _entries(root: Path, walk: FileWalk, most_unpacked: int) -> list[SourceEntry]:
    found: list[SourceEntry] = []
    size = 0
    for folder in walk.folders():
        found += folder
        size += sum(entry.size for entry in folder)
        if size > most_unpacked:
            raise ConfigError(
                f"code_root: {str(root)!r} holds more than {most_unpacked >> 20} MiB of code; name what isn't code in "
                ".flowignore, or write upload_code: false",
                field="code_root",
            )
    return found


def _add(archive: tarfile.TarFile, root: Path, entry: SourceEntry) -> None:
    """Adds a file or link to the archive; skips a file that no longer exists."""
    tar_info = tarfile.TarInfo(entry.path)
    tar_info.mode, tar_info.mtime = entry.mode, entry.mtime_ns // 10**9
    if entry.target is not None:
        tar_info.type, tar_info.linkname = tarfile.SYMTYPE, entry.target
        archive.addfile(tar_info)
        return
    try:
        reader = SourceReader(root / entry.path)
    except SourceGone:
        return
    try:
        data = b"".join(iter(reader.read, b""))
    finally:
        reader.close()
    tar_info.size = len(data)
    archive.addfile(tar_info, io.BytesIO(data))
