"""A destination on this machine. Every step below its top goes by descriptor, so that no link can divert it."""

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
from flow_core.upload.copying import PART, Copy, create
from flow_core.upload.destination import Arrived, Blocked, Known
from flow_core.upload.entering import FOLDER, ForeignLink, enter
from flow_core.upload.entry import PIECES_AT_ONCE, Entry
from flow_core.upload.hop import Hops
from flow_core.upload.manifest import MANIFEST

_IN_THE_WAY = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY}
_PIECE = 1 << 20
_MOST_BYTES = 1 << 28
_P = ParamSpec("_P")
_T = TypeVar("_T")


class LocalFolder:
    """A folder of this machine; made, with its parents, where it is missing."""

    lanes = 1
    time_step_ns = 1

    def __init__(self, path: Path) -> None:
        self.title = str(path)
        self.place: tuple[int, int] | None = None
        self._path = path
        self._top = -1
        self._last: tuple[str, int] | None = None
        self._hops = Hops()

    def deadline(self, timeout_s: float) -> asyncio.Timeout:
        return asyncio.timeout(timeout_s)

    async def open(self) -> LocalFolder:
        await self._hop(self._open)
        return self

    async def close(self) -> None:
        await self._hops.run(self._close)

    async def known(self, paths: Sequence[str]) -> list[Known | None]:
        return await self._hop(lambda: [self._known(path) for path in paths])

    async def make_folders(self, folder: str) -> list[str]:
        return await self._hop(self._make_folders, folder)

    async def put(self, source: Path, entry: Entry, on_bytes: Callable[[int], None]) -> Arrived:
        copy = Copy(source)
        try:
            while (arrived := await self._hop(self._copy_on, copy, entry.path)) is None:
                on_bytes(copy.fresh)
            on_bytes(copy.fresh)
            return arrived
        finally:
            if not copy.is_over and not self._hops.is_stuck:
                await self._hop(copy.drop)

    async def link(self, path: str, target: str) -> None:
        await self._hop(self._link, path, target)

    async def touch(self, path: str, mode: int, mtime_ns: int) -> None:
        await self._hop(self._touch, path, mode, mtime_ns)

    async def digest(self, path: str) -> str | None:
        summed = hashlib.blake2b(digest_size=16)
        fd = await self._hop(self._open_file, path)
        try:
            while not await self._hop(_sum_up, fd, summed.update):
                pass  # each round read some megabytes; between two of them it can be cancelled
            return summed.hexdigest()
        finally:
            if not self._hops.is_stuck:
                os.close(fd)

    async def delete(self, path: str) -> None:
        await self._hop(self._delete, path)

    async def delete_folder(self, folder: str) -> bool:
        return await self._hop(self._delete_folder, folder)

    async def read_manifest(self) -> bytes | None:
        return await self._hop(self._read_manifest)

    async def write_manifest(self, data: bytes) -> None:
        await self._hop(self._write_manifest, data)

    async def _hop(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return await self._hops.run(work, *args, **kwargs)
        except OSError as error:
            raise self._sentence(error) from error

    def _sentence(self, error: OSError) -> FlowError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return ProviderError(f"the disk of {self.title!r} is full; make room and upload again to go on")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            why = (error.strerror or "").lower()
            return AuthError(f"{self.title!r} can't be written to: {why}; choose a target_dir that you may change")
        if error.errno in (errno.ENOTDIR, errno.EEXIST) and self._top == -1:
            return Conflict(f"{self.title!r} is no folder; choose another target_dir")
        return ProviderError(f"{self.title!r} can't be used: {(error.strerror or str(error)).lower()}")

    def _open(self) -> None:
        try:
            top = enter(self._path)
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
            pass  # a file system without locks; then it is up to the user to start one upload at a time
        self._top = top
        found = os.fstat(top)
        self.place = (found.st_dev, found.st_ino)

    def _close(self) -> None:
        if self._hops.is_stuck:
            return  # a thread may still use the descriptors
        for fd in (self._top, self._last[1] if self._last and self._last[0] else -1):
            if fd != -1:
                os.close(fd)
        self._top, self._last = -1, None

    def _folder(self, folder: str) -> int:
        """A descriptor that is good until the next call."""
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

    def _known(self, path: str) -> Known | None:
        folder, _, name = path.rpartition("/")
        try:
            fd = self._folder(folder)
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode):
                return Known("file", found.st_size, found.st_mtime_ns, found.st_mode & 0o777)
            if stat.S_ISLNK(found.st_mode):
                return Known("link", target=os.readlink(name, dir_fd=fd))
            return Known("other")
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise

    def _make_folders(self, folder: str) -> list[str]:
        made: list[str] = []
        names = folder.split("/") if folder else []
        for count in range(1, len(names) + 1):
            above = "/".join(names[: count - 1])
            with _blocking():
                try:
                    os.mkdir(names[count - 1], dir_fd=self._folder(above))
                    made.append("/".join(names[:count]))
                except FileExistsError:
                    self._folder("/".join(names[:count]))
        return made

    def _copy_on(self, copy: Copy, path: str) -> Arrived | None:
        folder, _, name = path.rpartition("/")
        with _blocking():
            return copy.go_on(self._folder(folder), name)

    def _link(self, path: str, target: str) -> None:
        folder, _, name = path.rpartition("/")
        with _blocking():
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
            if error.errno in _IN_THE_WAY | {errno.ENOENT, errno.EACCES}:
                raise Blocked(path) from error
            raise
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise Blocked(path)
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
            if error.errno in _IN_THE_WAY | {errno.ENOENT}:
                return False
            raise
        return True

    def _read_manifest(self) -> bytes | None:
        try:
            fd = self._open_file(MANIFEST)
        except Blocked:
            return None
        with open(fd, "rb") as file:
            return file.read(_MOST_BYTES)

    def _write_manifest(self, data: bytes) -> None:
        with suppress(FileNotFoundError):
            os.unlink(PART, dir_fd=self._top)
        fd = create(self._top)
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


def _sum_up(fd: int, add: Callable[[bytes], None]) -> bool:
    """True at the end of the file."""
    for _ in range(PIECES_AT_ONCE):
        piece = os.read(fd, _PIECE)
        if not piece:
            return True
        add(piece)
    return False


@contextmanager
def _blocking() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _IN_THE_WAY:
            raise Blocked from error
        raise
