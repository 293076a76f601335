"""A destination of uploads on a host, over SFTP."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import asyncssh

from flow_core.errors import ProviderError
from flow_core.ssh.command import run
from flow_core.ssh.command_folder import CommandFolder
from flow_core.ssh.files import PRIVATE, QUIET_S, NoSftp, refusal, replace, sftp_session
from flow_core.ssh.lines import Lines
from flow_core.ssh.quoting import quoted
from flow_core.ssh.settings import HostSettings
from flow_core.ssh.upload_lock import UploadLock
from flow_core.upload.cancellable_thread import CancellableThread
from flow_core.upload.destination import DestinationConflict, DestinationEntry, WrittenFile
from flow_core.upload.manifest import MANIFEST
from flow_core.upload.source import SourceEntry, SourceReader, parents

_LANES = 8
_FEW = 4
_MOST_BYTES = 1 << 28
_GONE = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)


class SftpFolder:
    """A folder of a host; made, with its parents, where it is missing.

    SFTP knows paths only: whoever may write to the folder could put a link in the way between our look and our step.
    """

    lanes = _LANES
    time_step_ns = 1_000_000_000
    place: tuple[int, int] | None = None

    def __init__(self, lines: Lines, settings: HostSettings, path: str) -> None:
        self.title = f"{settings.alias}:{path}"
        self._lines = lines
        self._settings = settings
        self._path = path
        self._top = path
        self._open = AsyncExitStack()
        self._session: asyncssh.SFTPClient | None = None
        self._real: set[str] = {""}
        self._free = list(range(_LANES))
        self._thread = CancellableThread()

    def deadline(self, timeout_s: float) -> AbstractAsyncContextManager[asyncio.Timeout]:
        return self._lines.deadline(timeout_s)

    async def open(self) -> SftpFolder | CommandFolder:
        lock = UploadLock(self._lines, self._settings, self._path, self.title)
        self._top = await lock.take(self._open)
        try:
            self._session = await self._open.enter_async_context(sftp_session(self._lines, self._settings, self._path))
        except NoSftp:
            return CommandFolder(self._lines, self._settings, self._top, self.title, self._open.pop_all())
        return self

    async def close(self) -> None:
        self._session = None
        await self._open.aclose()

    async def known(self, paths: Sequence[str]) -> list[DestinationEntry | None]:
        by_folder: dict[str, list[str]] = {}
        for path in paths:
            by_folder.setdefault(path.rpartition("/")[0], []).append(path)
        found: dict[str, DestinationEntry] = {}
        for folder, wanted in by_folder.items():
            async with self._talk(folder) as sftp, asyncio.timeout(QUIET_S):
                if await self._is_real(sftp, folder):
                    found.update(await self._look(sftp, folder, wanted))
        return [found.get(path) for path in paths]

    async def make_folders(self, folder: str) -> list[str]:
        made: list[str] = []
        for each in [*parents(folder), folder] if folder else []:
            async with self._talk(each) as sftp, asyncio.timeout(QUIET_S):
                mode = await self._mode(sftp, each)
                if mode is None:
                    await sftp.mkdir(self._full(each))
                    made.append(each)
                elif not stat.S_ISDIR(mode):
                    raise DestinationConflict(each)
                self._real.add(each)
        return made

    async def put(self, source: Path, entry: SourceEntry, on_bytes: Callable[[int], None]) -> WrittenFile:
        reader = await self._thread.run(SourceReader, source)
        lane = self._free.pop()
        folder = entry.path.rpartition("/")[0]
        part = f"{folder}/.flow-sync.{lane}.part" if folder else f".flow-sync.{lane}.part"
        try:
            async with self._talk(entry.path) as sftp:
                try:
                    await self._write(sftp, reader, part, on_bytes)
                    await self._into_place(sftp, part, entry.path)
                except BaseException:
                    with suppress(OSError, asyncssh.Error, TimeoutError):
                        async with asyncio.timeout(QUIET_S / 10):
                            await sftp.remove(self._full(part))
                    raise
        finally:
            self._free.append(lane)
            if not self._thread.is_stuck:
                reader.close()
        return WrittenFile(reader.size, reader.mtime_ns, reader.mode, reader.digest)

    async def link(self, path: str, target: str) -> None:
        lane = self._free.pop()
        folder = path.rpartition("/")[0]
        part = f"{folder}/.flow-sync.{lane}.part" if folder else f".flow-sync.{lane}.part"
        try:
            async with self._talk(path) as sftp, asyncio.timeout(QUIET_S):
                with suppress(*_GONE):
                    await sftp.remove(self._full(part))
                await sftp.symlink(os.fsencode(target), self._full(part))
                await self._into_place(sftp, part, path)
        finally:
            self._free.append(lane)

    async def touch(self, path: str, mode: int, mtime_ns: int) -> None:
        async with self._talk(path) as sftp, asyncio.timeout(QUIET_S):
            await self._must_be_file(sftp, path)
            await sftp.setstat(self._full(path), _attributes(mode, mtime_ns))

    async def digest(self, path: str) -> str | None:
        """By the host's own b2sum; without it, reading the file back would cost as much as sending it."""
        async with self._talk(path) as sftp, asyncio.timeout(QUIET_S):
            await self._must_be_file(sftp, path)
        try:
            command = f"exec b2sum -l 128 <{quoted(self._full(path).decode())}"
        except UnicodeDecodeError:
            return None  # a command is UTF-8
        outcome = await run(self._lines, self._settings, command, timeout_s=10 * QUIET_S, stdin=b"", on_output=None)
        words = outcome.stdout.split()
        return words[0].decode() if outcome.exit_code == 0 and words and len(words[0]) == 32 else None

    async def delete(self, path: str) -> None:
        async with self._talk(path) as sftp, asyncio.timeout(QUIET_S):
            mode = await self._mode(sftp, path)
            if mode is not None and not stat.S_ISDIR(mode):
                with suppress(*_GONE):
                    await sftp.remove(self._full(path))

    async def delete_folder(self, folder: str) -> bool:
        async with self._talk(folder) as sftp, asyncio.timeout(QUIET_S):
            mode = await self._mode(sftp, folder)
            if mode is None or not stat.S_ISDIR(mode):
                return False
            try:
                await sftp.rmdir(self._full(folder))
            except asyncssh.SFTPFailure:
                return False  # all that SFTP says of one that isn't empty
            self._real = {known for known in self._real if known != folder and not known.startswith(f"{folder}/")}
            return True

    async def read_manifest(self) -> bytes | None:
        async with self._talk(MANIFEST) as sftp, asyncio.timeout(QUIET_S):
            mode = await self._mode(sftp, MANIFEST)
            if mode is None or not stat.S_ISREG(mode):
                return None
            async with sftp.open(self._full(MANIFEST), "rb") as file:
                data = await file.read(_MOST_BYTES)
        return data if isinstance(data, bytes) else data.encode()

    async def write_manifest(self, data: bytes) -> None:
        part = f"{MANIFEST}.part"
        async with self._talk(MANIFEST) as sftp, asyncio.timeout(QUIET_S):
            async with await self._create(sftp, part) as file:
                await file.write(data, 0)
                with suppress(asyncssh.SFTPOpUnsupported):  # then it is as durable as the host makes it
                    await file.fsync()
            await self._into_place(sftp, part, MANIFEST)

    @asynccontextmanager
    async def _talk(self, path: str) -> AsyncIterator[asyncssh.SFTPClient]:
        if self._session is None:
            raise ProviderError(f"{self.title!r} is not open")
        try:
            yield self._session
        except (OSError, asyncssh.Error, TimeoutError) as error:
            raise refusal(self._settings, path or self._path, error) from error

    def _full(self, path: str) -> bytes:
        """As bytes: names need not be UTF-8."""
        return os.fsencode(f"{self._top.rstrip('/')}/{path}" if path else self._top)

    async def _mode(self, sftp: asyncssh.SFTPClient, path: str) -> int | None:
        """None where nothing stands, or where a link leads there."""
        if not await self._is_real(sftp, path.rpartition("/")[0]):
            return None
        return await _mode_of(sftp, self._full(path))

    async def _is_real(self, sftp: asyncssh.SFTPClient, folder: str) -> bool:
        """Whether it is a folder, and so is all above it. What was one is taken to be one until the end."""
        for each in [*parents(folder), folder] if folder else []:
            if each in self._real:
                continue
            mode = await _mode_of(sftp, self._full(each))
            if mode is None or not stat.S_ISDIR(mode):
                return False
            self._real.add(each)
        return True

    async def _look(self, sftp: asyncssh.SFTPClient, folder: str, wanted: list[str]) -> dict[str, DestinationEntry]:
        """One by one where it is about a few of them, else all of the folder at once."""
        attributes: dict[str, asyncssh.SFTPAttrs] = {}
        if len(wanted) <= _FEW:
            for path in wanted:
                with suppress(*_GONE):
                    attributes[path] = await sftp.lstat(self._full(path))
        else:
            names = {path.rpartition("/")[2]: path for path in wanted}
            async for entry in sftp.scandir(self._full(folder)):
                name = os.fsdecode(entry.filename)
                if name in names:
                    attributes[names[name]] = entry.attrs
        return {path: await self._known(sftp, path, each) for path, each in attributes.items()}

    async def _known(self, sftp: asyncssh.SFTPClient, path: str, found: asyncssh.SFTPAttrs) -> DestinationEntry:
        mode = found.permissions or 0
        if stat.S_ISREG(mode):
            return DestinationEntry("file", found.size or 0, (found.mtime or 0) * self.time_step_ns, mode & 0o777)
        if stat.S_ISLNK(mode):
            return DestinationEntry("link", target=os.fsdecode(await sftp.readlink(self._full(path))))
        return DestinationEntry("other")

    async def _must_be_file(self, sftp: asyncssh.SFTPClient, path: str) -> None:
        mode = await self._mode(sftp, path)
        if mode is None or not stat.S_ISREG(mode):
            raise DestinationConflict(path)

    async def _write(
        self, sftp: asyncssh.SFTPClient, reader: SourceReader, part: str, on_bytes: Callable[[int], None]
    ) -> None:
        async with asyncio.timeout(QUIET_S):
            file = await self._create(sftp, part)
        async with file:
            done = 0
            while piece := await self._thread.run(reader.read):
                async with asyncio.timeout(QUIET_S):
                    await file.write(piece, done)
                done += len(piece)
                on_bytes(len(piece))
            async with asyncio.timeout(QUIET_S):
                await file.setstat(_attributes(reader.mode, reader.mtime_ns))

    async def _create(self, sftp: asyncssh.SFTPClient, part: str) -> asyncssh.SFTPClientFile:
        try:
            return await sftp.open(self._full(part), "xb", PRIVATE)
        except (asyncssh.SFTPFailure, asyncssh.SFTPFileAlreadyExists):
            await sftp.remove(self._full(part))  # an upload was killed here
            return await sftp.open(self._full(part), "xb", PRIVATE)

    async def _into_place(self, sftp: asyncssh.SFTPClient, part: str, path: str) -> None:
        async with asyncio.timeout(QUIET_S):
            mode = await _mode_of(sftp, self._full(path))
            if mode is not None and stat.S_ISDIR(mode):
                raise DestinationConflict(path)
            await replace(sftp, self._full(part), self._full(path))


async def _mode_of(sftp: asyncssh.SFTPClient, path: bytes) -> int | None:
    try:
        return (await sftp.lstat(path)).permissions
    except _GONE:
        return None


def _attributes(mode: int, mtime_ns: int) -> asyncssh.SFTPAttrs:
    seconds = mtime_ns // 1_000_000_000
    return asyncssh.SFTPAttrs(permissions=mode, atime=seconds, mtime=seconds)
