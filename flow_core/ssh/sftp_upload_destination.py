"""The upload destination on a host, over SFTP."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import asyncssh

from flow_core.errors import ProviderError
from flow_core.ssh.command import run_command
from flow_core.ssh.connection_pool import ConnectionPool
from flow_core.ssh.exec_upload_destination import CommandFolder
from flow_core.ssh.files import (
    IDLE_TIMEOUT_S,
    PRIVATE_ATTRIBUTES,
    SftpUnavailable,
    replace_file,
    sftp_error,
    sftp_session,
)
from flow_core.ssh.quoting import quote_word
from flow_core.ssh.settings import HostSettings
from flow_core.ssh.upload_lock import UploadLock
from flow_core.upload.cancellable_thread import CancellableThread
from flow_core.upload.destination import DestinationConflict, DestinationEntry, WrittenFile
from flow_core.upload.manifest import MANIFEST
from flow_core.upload.source import SourceEntry, SourceReader, list_parents

_LANES = 8
_MAX_SINGLE_STATS = 4
_MAX_MANIFEST_BYTES = 1 << 28
_MISSING_ERRORS = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)


class SftpFolder:
    """A folder of a host. Opening it creates it and its parents.

    SFTP only knows paths: a user who may write to the folder could replace a folder by a link between a check and
    the step after it.
    """

    lanes = _LANES
    time_step_ns = 1_000_000_000
    device_and_inode: tuple[int, int] | None = None

    def __init__(self, pool: ConnectionPool, settings: HostSettings, path: str) -> None:
        self.title = f"{settings.alias}:{path}"
        self._pool = pool
        self._settings = settings
        self._path = path
        self._real_path = path
        self._stack = AsyncExitStack()
        self._session: asyncssh.SFTPClient | None = None
        self._real_folders: set[str] = {""}
        self._free_lanes = list(range(_LANES))
        self._thread = CancellableThread()

    def deadline(self, timeout_s: float) -> AbstractAsyncContextManager[asyncio.Timeout]:
        return self._pool.deadline(timeout_s)

    async def open(self) -> SftpFolder | CommandFolder:
        lock = UploadLock(self._pool, self._settings, self._path, self.title)
        self._real_path = await lock.acquire(self._stack)
        try:
            self._session = await self._stack.enter_async_context(sftp_session(self._pool, self._settings, self._path))
        except SftpUnavailable:
            return CommandFolder(self._pool, self._settings, self._real_path, self.title, self._stack.pop_all())
        return self

    async def close(self) -> None:
        self._session = None
        await self._stack.aclose()

    async def stat_paths(self, paths: Sequence[str]) -> list[DestinationEntry | None]:
        by_folder: dict[str, list[str]] = {}
        for path in paths:
            by_folder.setdefault(path.rpartition("/")[0], []).append(path)
        found: dict[str, DestinationEntry] = {}
        for folder, requested in by_folder.items():
            async with self._use_session(folder) as sftp, asyncio.timeout(IDLE_TIMEOUT_S):
                if await self._is_real(sftp, folder):
                    found.update(await self._read_known(sftp, folder, requested))
        return [found.get(path) for path in paths]

    async def make_folders(self, folder: str) -> list[str]:
        created: list[str] = []
        for each in [*list_parents(folder), folder] if folder else []:
            async with self._use_session(each) as sftp, asyncio.timeout(IDLE_TIMEOUT_S):
                mode = await self._mode(sftp, each)
                if mode is None:
                    await sftp.mkdir(self._full_path(each))
                    created.append(each)
                elif not stat.S_ISDIR(mode):
                    raise DestinationConflict(each)
                self._real_folders.add(each)
        return created

    async def put(self, source: Path, entry: SourceEntry, on_bytes: Callable[[int], None]) -> WrittenFile:
        reader = await self._thread.run(SourceReader, source)
        lane = self._free_lanes.pop()
        folder = entry.path.rpartition("/")[0]
        part = f"{folder}/.flow-sync.{lane}.part" if folder else f".flow-sync.{lane}.part"
        try:
            async with self._use_session(entry.path) as sftp:
                try:
                    await self._write(sftp, reader, part, on_bytes)
                    await self._move_into_place(sftp, part, entry.path)
                except BaseException:
                    with suppress(OSError, asyncssh.Error, TimeoutError):
                        async with asyncio.timeout(IDLE_TIMEOUT_S / 10):
                            await sftp.remove(self._full_path(part))
                    raise
        finally:
            self._free_lanes.append(lane)
            if not self._thread.is_stuck:
                reader.close()
        return WrittenFile(reader.size, reader.mtime_ns, reader.mode, reader.digest)

    async def link(self, path: str, target: str) -> None:
        lane = self._free_lanes.pop()
        folder = path.rpartition("/")[0]
        part = f"{folder}/.flow-sync.{lane}.part" if folder else f".flow-sync.{lane}.part"
        try:
            async with self._use_session(path) as sftp, asyncio.timeout(IDLE_TIMEOUT_S):
                with suppress(*_MISSING_ERRORS):
                    await sftp.remove(self._full_path(part))
                await sftp.symlink(os.fsencode(target), self._full_path(part))
                await self._move_into_place(sftp, part, path)
        finally:
            self._free_lanes.append(lane)

    async def touch(self, path: str, mode: int, mtime_ns: int) -> None:
        async with self._use_session(path) as sftp, asyncio.timeout(IDLE_TIMEOUT_S):
            await self._require_file(sftp, path)
            await sftp.setstat(self._full_path(path), _attributes(mode, mtime_ns))

    async def digest(self, path: str) -> str | None:
        """Returns the checksum by the host's own b2sum.

        Returns None without b2sum, since reading the file back costs as much as sending it.
        """
        async with self._use_session(path) as sftp, asyncio.timeout(IDLE_TIMEOUT_S):
            await self._require_file(sftp, path)
        try:
            command = f"exec b2sum -l 128 <{quote_word(self._full_path(path).decode())}"
        except UnicodeDecodeError:
            return None  # a command is UTF-8
        result = await run_command(
            self._pool, self._settings, command, timeout_s=10 * IDLE_TIMEOUT_S, stdin=b"", on_output=None
        )
        words = result.stdout.split()
        return words[0].decode() if result.exit_code == 0 and words and len(words[0]) == 32 else None

    async def delete(self, path: str) -> None:
        async with self._use_session(path) as sftp, asyncio.timeout(IDLE_TIMEOUT_S):
            mode = await self._mode(sftp, path)
            if mode is not None and not stat.S_ISDIR(mode):
                with suppress(*_MISSING_ERRORS):
                    await sftp.remove(self._full_path(path))

    async def delete_folder(self, folder: str) -> bool:
        async with self._use_session(folder) as sftp, asyncio.timeout(IDLE_TIMEOUT_S):
            mode = await self._mode(sftp, folder)
            if mode is None or not stat.S_ISDIR(mode):
                return False
            try:
                await sftp.rmdir(self._full_path(folder))
            except asyncssh.SFTPFailure:
                return False  # SFTP's only error for a folder that is not empty
            self._real_folders = {
                known for known in self._real_folders if known != folder and not known.startswith(f"{folder}/")
            }
            return True

    async def read_manifest(self) -> bytes | None:
        async with self._use_session(MANIFEST) as sftp, asyncio.timeout(IDLE_TIMEOUT_S):
            mode = await self._mode(sftp, MANIFEST)
            if mode is None or not stat.S_ISREG(mode):
                return None
            async with sftp.open(self._full_path(MANIFEST), "rb") as file:
                data = await file.read(_MAX_MANIFEST_BYTES)
        return data if isinstance(data, bytes) else data.encode()

    async def write_manifest(self, data: bytes) -> None:
        part = f"{MANIFEST}.part"
        async with self._use_session(MANIFEST) as sftp, asyncio.timeout(IDLE_TIMEOUT_S):
            async with await self._create(sftp, part) as file:
                await file.write(data, 0)
                with suppress(asyncssh.SFTPOpUnsupported):  # without fsync, the host decides when the data is on disk
                    await file.fsync()
            await self._move_into_place(sftp, part, MANIFEST)

    @asynccontextmanager
    async def _use_session(self, path: str) -> AsyncIterator[asyncssh.SFTPClient]:
        if self._session is None:
            raise ProviderError(f"{self.title!r} is not open")
        try:
            yield self._session
        except (OSError, asyncssh.Error, TimeoutError) as error:
            raise sftp_error(self._settings, path or self._path, error) from error

    def _full_path(self, path: str) -> bytes:
        """Returns the full path as bytes: names need not be UTF-8."""
        return os.fsencode(f"{self._real_path.rstrip('/')}/{path}" if path else self._real_path)

    async def _mode(self, sftp: asyncssh.SFTPClient, path: str) -> int | None:
        """Returns the mode; None if the path is missing or leads through a link."""
        if not await self._is_real(sftp, path.rpartition("/")[0]):
            return None
        return await _read_mode(sftp, self._full_path(path))

    async def _is_real(self, sftp: asyncssh.SFTPClient, folder: str) -> bool:
        """Returns whether the path and its parents are folders and no links. Remembers a folder until the end."""
        for each in [*list_parents(folder), folder] if folder else []:
            if each in self._real_folders:
                continue
            mode = await _read_mode(sftp, self._full_path(each))
            if mode is None or not stat.S_ISDIR(mode):
                return False
            self._real_folders.add(each)
        return True

    async def _read_known(
        self, sftp: asyncssh.SFTPClient, folder: str, requested: list[str]
    ) -> dict[str, DestinationEntry]:
        """Reads the state of a few paths one by one, and of many by listing the folder."""
        attributes: dict[str, asyncssh.SFTPAttrs] = {}
        if len(requested) <= _MAX_SINGLE_STATS:
            for path in requested:
                with suppress(*_MISSING_ERRORS):
                    attributes[path] = await sftp.lstat(self._full_path(path))
        else:
            names = {path.rpartition("/")[2]: path for path in requested}
            async for entry in sftp.scandir(self._full_path(folder)):
                name = os.fsdecode(entry.filename)
                if name in names:
                    attributes[names[name]] = entry.attrs
        return {path: await self._stat_path(sftp, path, each) for path, each in attributes.items()}

    async def _stat_path(self, sftp: asyncssh.SFTPClient, path: str, found: asyncssh.SFTPAttrs) -> DestinationEntry:
        mode = found.permissions or 0
        if stat.S_ISREG(mode):
            return DestinationEntry("file", found.size or 0, (found.mtime or 0) * self.time_step_ns, mode & 0o777)
        if stat.S_ISLNK(mode):
            return DestinationEntry("link", target=os.fsdecode(await sftp.readlink(self._full_path(path))))
        return DestinationEntry("other")

    async def _require_file(self, sftp: asyncssh.SFTPClient, path: str) -> None:
        mode = await self._mode(sftp, path)
        if mode is None or not stat.S_ISREG(mode):
            raise DestinationConflict(path)

    async def _write(
        self, sftp: asyncssh.SFTPClient, reader: SourceReader, part: str, on_bytes: Callable[[int], None]
    ) -> None:
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            file = await self._create(sftp, part)
        async with file:
            done = 0
            while piece := await self._thread.run(reader.read):
                async with asyncio.timeout(IDLE_TIMEOUT_S):
                    await file.write(piece, done)
                done += len(piece)
                on_bytes(len(piece))
            async with asyncio.timeout(IDLE_TIMEOUT_S):
                await file.setstat(_attributes(reader.mode, reader.mtime_ns))

    async def _create(self, sftp: asyncssh.SFTPClient, part: str) -> asyncssh.SFTPClientFile:
        try:
            return await sftp.open(self._full_path(part), "xb", PRIVATE_ATTRIBUTES)
        except (asyncssh.SFTPFailure, asyncssh.SFTPFileAlreadyExists):
            await sftp.remove(self._full_path(part))  # left by a killed upload
            return await sftp.open(self._full_path(part), "xb", PRIVATE_ATTRIBUTES)

    async def _move_into_place(self, sftp: asyncssh.SFTPClient, part: str, path: str) -> None:
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            mode = await _read_mode(sftp, self._full_path(path))
            if mode is not None and stat.S_ISDIR(mode):
                raise DestinationConflict(path)
            await replace_file(sftp, self._full_path(part), self._full_path(path))


async def _read_mode(sftp: asyncssh.SFTPClient, path: bytes) -> int | None:
    try:
        return (await sftp.lstat(path)).permissions
    except _MISSING_ERRORS:
        return None


def _attributes(mode: int, mtime_ns: int) -> asyncssh.SFTPAttrs:
    seconds = mtime_ns // 1_000_000_000
    return asyncssh.SFTPAttrs(permissions=mode, atime=seconds, mtime=seconds)
