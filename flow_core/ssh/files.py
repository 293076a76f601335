"""Transfers single files of a host over SFTP: whole files in both directions, or a range of bytes."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

import asyncssh

from flow_core.errors import AuthError, ConfigError, FlowError, NotFound, ProviderError, Unreachable
from flow_core.ssh import failures
from flow_core.ssh.connection_pool import ConnectionPool
from flow_core.ssh.settings import HostSettings

_PIECE = 4 << 20
_NO_SUBSYSTEM = asyncssh.OPEN_REQUEST_SESSION_FAILED
IDLE_TIMEOUT_S = 60.0
PRIVATE_ATTRIBUTES = asyncssh.SFTPAttrs(permissions=0o600)
"""The mode of a file during its transfer; its own mode is set at the end."""
OnBytes = Callable[[int, int], None]
"""Called with the number of transferred bytes and the total."""


class RemoteFiles:
    """The files of a host. Paths are absolute or relative to the user's home."""

    def __init__(self, pool: ConnectionPool, settings: HostSettings) -> None:
        self._pool = pool
        self._settings = settings

    async def size(self, path: str) -> int:
        """Returns the size in bytes. Raises NotFound."""
        async with self._session(path) as sftp, asyncio.timeout(IDLE_TIMEOUT_S):
            return (await sftp.stat(path)).size or 0

    async def read(self, path: str, offset: int = 0, length: int = _PIECE) -> bytes:
        """Returns bytes of a file, fewer than `length` only at its end. Calling it again is safe.

        Raises NotFound, AuthError.
        """
        async with self._session(path) as sftp, asyncio.timeout(IDLE_TIMEOUT_S), sftp.open(path, "rb") as file:
            return _to_bytes(await file.read(length, offset))

    async def download(self, path: str, target: Path, on_bytes: OnBytes | None = None) -> int:
        """Copies a file to this machine completely or not at all, with its mode; returns its size.

        Calling it again is safe. Raises NotFound, AuthError, ConfigError (`target` can't be written), Unreachable after
        60 s without data.
        """
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            async with self._session(path) as sftp, sftp.open(path, "rb") as source:
                done = await self._receive(source, part, target, on_bytes)
            await asyncio.to_thread(os.replace, part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return done

    async def upload(self, source: Path, path: str, on_bytes: OnBytes | None = None) -> int:
        """Copies a file to the host completely or not at all, with its mode; returns its size.

        Calling it again is safe. Raises ConfigError (`source` can't be read), NotFound (no such folder), AuthError,
        Unreachable after 60 s without data.
        """
        try:
            file = await asyncio.to_thread(open, source, "rb")
        except OSError as error:
            raise _local_file_error(source, error) from error
        folder, slash, name = path.rpartition("/")
        part = f"{folder}{slash}.{name}.{secrets.token_hex(4)}.part"
        with file:
            async with self._session(path) as sftp:
                try:
                    done = await self._send(sftp, file, part, on_bytes)
                    await replace_file(sftp, part, path)
                except BaseException:
                    with suppress(OSError, asyncssh.Error, TimeoutError):
                        async with asyncio.timeout(IDLE_TIMEOUT_S / 10):
                            await sftp.remove(part)
                    raise
        return done

    async def _receive(
        self, source: asyncssh.SFTPClientFile, part: Path, target: Path, on_bytes: OnBytes | None
    ) -> int:
        done, found = 0, await source.stat()
        with await asyncio.to_thread(_create, part, target, 0o600 | (found.permissions or 0) & 0o777) as file:
            while True:
                async with asyncio.timeout(IDLE_TIMEOUT_S):
                    piece = _to_bytes(await source.read(_PIECE, done))
                if not piece:
                    return done
                await asyncio.to_thread(file.write, piece)
                done += len(piece)
                if on_bytes is not None:
                    on_bytes(done, max(found.size or 0, done))

    async def _send(self, sftp: asyncssh.SFTPClient, file: BinaryIO, part: str, on_bytes: OnBytes | None) -> int:
        done, found = 0, os.fstat(file.fileno())
        async with sftp.open(part, "xb", PRIVATE_ATTRIBUTES) as target:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                async with asyncio.timeout(IDLE_TIMEOUT_S):
                    await target.write(piece, done)
                done += len(piece)
                if on_bytes is not None:
                    on_bytes(done, max(found.st_size, done))
            await target.setstat(asyncssh.SFTPAttrs(permissions=found.st_mode & 0o777))
        return done

    def _session(self, path: str) -> AbstractAsyncContextManager[asyncssh.SFTPClient]:
        return sftp_session(self._pool, self._settings, path)


class SftpUnavailable(ProviderError):
    """The server runs commands and provides no SFTP."""


async def _start_sftp(settings: HostSettings, connection: asyncssh.SSHClientConnection) -> asyncssh.SFTPClient:
    try:
        return await connection.start_sftp_client()
    except (asyncssh.ChannelOpenError, asyncssh.SFTPError) as error:
        is_refused = not isinstance(error, asyncssh.ChannelOpenError) or error.code == _NO_SUBSYSTEM
        if connection.is_closed() or not is_refused:
            raise
        raise SftpUnavailable(
            f"{settings.alias!r} has no SFTP: {error.reason!r}; check Subsystem in its sshd_config, and that no"
            " start-up file of your shell prints anything"
        ) from error


@asynccontextmanager
async def sftp_session(pool: ConnectionPool, settings: HostSettings, path: str) -> AsyncIterator[asyncssh.SFTPClient]:
    """Yields an SFTP client and converts its errors to errors about `path`."""
    async with pool.session(partial(_start_sftp, settings)) as sftp:
        try:
            yield sftp
        except (OSError, asyncssh.Error, TimeoutError) as error:
            raise sftp_error(settings, path, error) from error
        finally:
            sftp.exit()


async def replace_file(sftp: asyncssh.SFTPClient, part: str | bytes, path: str | bytes) -> None:
    """Moves `part` to `path` in one step if the server supports it; otherwise `path` is missing for a moment."""
    try:
        await sftp.posix_rename(part, path)
    except asyncssh.SFTPOpUnsupported:
        with suppress(asyncssh.SFTPNoSuchFile):
            await sftp.remove(path)
        await sftp.rename(part, path)


def sftp_error(settings: HostSettings, path: str, error: Exception) -> FlowError:
    """Converts an error of a file request to an error with a sentence."""
    shown = f"{path!r} on {settings.alias!r}"
    if isinstance(error, asyncssh.SFTPNoSuchFile | asyncssh.SFTPNoSuchPath):
        return NotFound(f"there is no {shown}")
    if isinstance(error, asyncssh.SFTPPermissionDenied):
        return AuthError(f"{settings.user!r} may not access {shown}")
    if isinstance(error, asyncssh.SFTPConnectionLost | asyncssh.SFTPNoConnection):
        return failures.connection_lost_error(settings, f"{path!r} was moved")
    if isinstance(error, asyncssh.SFTPError):
        return ProviderError(f"{shown} can't be used: {error.reason!r}; check its kind and the free room there")
    if isinstance(error, TimeoutError):
        return Unreachable(
            f"{settings.alias!r} sent nothing for {IDLE_TIMEOUT_S:g} s while {path!r} was read or written"
        )
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        return ProviderError(f"{shown} can't be copied: {(error.strerror or str(error)).lower()}")
    return failures.connection_lost_error(settings, f"{path!r} was moved")


def _create(part: Path, target: Path, mode: int) -> BinaryIO:
    """Creates a file that at most the readers on the host may read, and at most those that the umask allows."""
    try:
        return open(part, "xb", opener=lambda path, flags: os.open(path, flags, mode))
    except OSError as error:
        raise _local_file_error(target, error) from error


def _local_file_error(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{str(path)!r} can't be opened: {(error.strerror or str(error)).lower()}")


def _to_bytes(data: bytes | str) -> bytes:
    return data if isinstance(data, bytes) else data.encode()
