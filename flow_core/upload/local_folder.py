"""An upload destination on this machine. Opens every folder relative to a descriptor, so that no link can divert it."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from flow_core.errors import AuthError, Conflict, FlowError, ProviderError
from flow_core.upload.cancellable_thread import CancellableThread
from flow_core.upload.destination import DestinationConflict, DestinationEntry, WrittenFile
from flow_core.upload.file_copy import PART, FileCopy, create_part_file
from flow_core.upload.manifest import MANIFEST
from flow_core.upload.open_folder import FOLDER, ForeignLink, open_folder
from flow_core.upload.source import PIECES_PER_RUN, SourceEntry

_CONFLICT_ERRNOS = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY}
_PIECE = 1 << 20
_MOST_BYTES = 1 << 28
_P = ParamSpec("_P")
_T = TypeVar("_T")


class LocalFolder:
    """A folder of this machine. `open` creates it and its parents if missing."""

    lanes = 1
    time_step_ns = 1

    def __init__(self, path: Path) -> None:
        self.title = str(path)
        self.device_and_inode: tuple[int, int] | None = None
        self._path = path
        self._top = -1
        self._last: tuple[str, int] | None = None
        self._thread = CancellableThread()

    def deadline(self, timeout_s: float) -> asyncio.Timeout:
        return asyncio.timeout(timeout_s)

    async def open(self) -> LocalFolder:
        await self._run(self._open)
        return self

    async def close(self) -> None:
        await self._thread.run(self._close)

    async def stat_paths(self, paths: Sequence[str]) -> list[DestinationEntry | None]:
        return await self._run(lambda: [self._stat_path(path) for path in paths])

    async def make_folders(self, folder: str) -> list[str]:
        return await self._run(self._make_folders, folder)

    async def put(self, source: Path, entry: SourceEntry, on_bytes: Callable[[int], None]) -> WrittenFile:
        copy = FileCopy(source)
        try:
            while (arrived := await self._run(self._copy_more, copy, entry.path)) is None:
                on_bytes(copy.copied_bytes)
            on_bytes(copy.copied_bytes)
            return arrived
        finally:
            if not copy.is_over and not self._thread.is_stuck:
                await self._run(copy.discard)

    async def link(self, path: str, target: str) -> None:
        await self._run(self._link, path, target)

    async def touch(self, path: str, mode: int, mtime_ns: int) -> None:
        await self._run(self._touch, path, mode, mtime_ns)

    async def digest(self, path: str) -> str | None:
        digest = hashlib.blake2b(digest_size=16)
        fd = await self._run(self._open_file, path)
        try:
            while not await self._run(_digest_more, fd, digest.update):
                pass  # each call reads some megabytes; a cancellation takes effect between two calls
            return digest.hexdigest()
        finally:
            if not self._thread.is_stuck:
                os.close(fd)

    async def delete(self, path: str) -> None:
        await self._run(self._delete, path)

    async def delete_folder(self, folder: str) -> bool:
        return await self._run(self._delete_folder, folder)

    async def read_manifest(self) -> bytes | None:
        return await self._run(self._read_manifest)

    async def write_manifest(self, data: bytes) -> None:
        await self._run(self._write_manifest, data)

    async def _run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return await self._thread.run(work, *args, **kwargs)
        except OSError as error:
            raise self._flow_error(error) from error

    def _flow_error(self, error: OSError) -> FlowError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return ProviderError(f"the disk of {self.title!r} is full; make room and upload again to go on")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            why = (error.strerror or "").lower()
            return AuthError(f"{self.title!r} can't be written to: {why}; choose a target_dir that you may change")
        if error.errno in (errno.ENOTDIR, errno.EEXIST) and self._top == -1:
            return Conflict(f"{self.title!r} is not a folder; choose another target_dir")
        return ProviderError(f"{self.title!r} can't be used: {(error.strerror or str(error)).lower()}")

    def _open(self) -> None:
        try:
            top = open_folder(self._path)
        except ForeignLink:
            raise Conflict(
                f"{self.title!r} leads through a link that another user made in a shared folder; choose another"
                " target_dir"
            ) from None
        try:
            fcntl.flock(top, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(top)
            raise Conflict(f"another upload to {self.title!r} is under way; wait for its end") from None
        except OSError:
            pass  # the file system has no locks; then the user must start one upload at a time
        self._top = top
        found = os.fstat(top)
        self.device_and_inode = (found.st_dev, found.st_ino)

    def _close(self) -> None:
        if self._thread.is_stuck:
            return  # a thread may still use the descriptors
        for fd in (self._top, self._last[1] if self._last and self._last[0] else -1):
            if fd != -1:
                os.close(fd)
        self._top, self._last = -1, None

    def _folder(self, folder: str) -> int:
        """Returns a descriptor that is valid until the next call."""
        if self._last is not None and self._last[0] == folder:
            return self._last[1]
        fd = self._top
        for name in folder.split("/") if folder else ():
            try:
                inner = os.open(name, FOLDER, dir_fd=fd)
            finally:
                if fd != self._top:
                    os.close(fd)
            fd = inner
        self._forget_folder()
        self._last = (folder, fd)
        return fd

    def _forget_folder(self) -> None:
        if self._last is not None and self._last[1] != self._top:
            os.close(self._last[1])
        self._last = None

    def _stat_path(self, path: str) -> DestinationEntry | None:
        folder, _, name = path.rpartition("/")
        try:
            fd = self._folder(folder)
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode):
                return DestinationEntry("file", found.st_size, found.st_mtime_ns, found.st_mode & 0o777)
            if stat.S_ISLNK(found.st_mode):
                return DestinationEntry("link", target=os.readlink(name, dir_fd=fd))
            return DestinationEntry("other")
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise

    def _make_folders(self, folder: str) -> list[str]:
        made: list[str] = []
        names = folder.split("/") if folder else []
        for count in range(1, len(names) + 1):
            above = "/".join(names[: count - 1])
            with _raise_conflicts():
                try:
                    os.mkdir(names[count - 1], dir_fd=self._folder(above))
                    made.append("/".join(names[:count]))
                except FileExistsError:
                    self._folder("/".join(names[:count]))
        return made

    def _copy_more(self, copy: FileCopy, path: str) -> WrittenFile | None:
        folder, _, name = path.rpartition("/")
        with _raise_conflicts():
            return copy.copy_more(self._folder(folder), name)

    def _link(self, path: str, target: str) -> None:
        folder, _, name = path.rpartition("/")
        with _raise_conflicts():
            fd = self._folder(folder)
            with suppress(FileNotFoundError):
                os.unlink(PART, dir_fd=fd)
            os.symlink(target, PART, dir_fd=fd)
            try:
                os.rename(PART, name, src_dir_fd=fd, dst_dir_fd=fd)
            except BaseException:
                os.unlink(PART, dir_fd=fd)
                raise

    def _touch(self, path: str, mode: int, mtime_ns: int) -> None:
        fd = self._open_file(path)
        try:
            os.fchmod(fd, mode)
            os.utime(fd, ns=(mtime_ns, mtime_ns))
        finally:
            os.close(fd)

    def _open_file(self, path: str) -> int:
        folder, _, name = path.rpartition("/")
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._folder(folder))
        except OSError as error:
            if error.errno in _CONFLICT_ERRNOS | {errno.ENOENT, errno.EACCES}:
                raise DestinationConflict(path) from error
            raise
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise DestinationConflict(path)
        return fd

    def _delete(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        try:
            os.unlink(name, dir_fd=self._folder(folder))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise

    def _delete_folder(self, folder: str) -> bool:
        above, _, name = folder.rpartition("/")
        try:
            if self._last is not None and self._last[0] == folder:
                self._forget_folder()
            os.rmdir(name, dir_fd=self._folder(above))
        except OSError as error:
            if error.errno in _CONFLICT_ERRNOS | {errno.ENOENT}:
                return False
            raise
        return True

    def _read_manifest(self) -> bytes | None:
        try:
            fd = self._open_file(MANIFEST)
        except DestinationConflict:
            return None
        with open(fd, "rb") as file:
            return file.read(_MOST_BYTES)

    def _write_manifest(self, data: bytes) -> None:
        with suppress(FileNotFoundError):
            os.unlink(PART, dir_fd=self._top)
        fd = create_part_file(self._top)
        try:
            with open(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(fd)
            os.rename(PART, MANIFEST, src_dir_fd=self._top, dst_dir_fd=self._top)
        except BaseException:
            os.unlink(PART, dir_fd=self._top)
            raise
        os.fsync(self._top)


def _digest_more(fd: int, update: Callable[[bytes], None]) -> bool:
    """Adds at most PIECES_PER_RUN pieces of the file to the digest; returns whether the file has ended."""
    for _ in range(PIECES_PER_RUN):
        piece = os.read(fd, _PIECE)
        if not piece:
            return True
        update(piece)
    return False


@contextmanager
def _raise_conflicts() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _CONFLICT_ERRNOS:
            raise DestinationConflict from error
        raise
