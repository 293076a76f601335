"""The transport below SSH: a TCP connection, or the stdin and stdout of a ProxyCommand."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import struct
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from dataclasses import dataclass

from flow_core.errors import ConfigError
from flow_core.ssh import failures
from flow_core.ssh.settings import HostSettings

_FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
_RETRY_S = 1.0
_MAX_LINE_CHARS = 500
_PIECE = 16 << 10
_EXIT_TIMEOUT_S = 2.0
_SIOCGIFADDR = 0xC0206921 if sys.platform == "darwin" else 0x8915


@dataclass(frozen=True, slots=True)
class HostTransport:
    """A connected socket. `address` is the host's numeric address; None behind a ProxyCommand."""

    sock: socket.socket
    address: str | None = None
    proxy: ProxyProcess | None = None


class ProxyProcess:
    """The process of a ProxyCommand. Keeps only the last line of its stderr."""

    def __init__(self, process: Process) -> None:
        self.last_line = ""
        self._process = process
        self._reading = asyncio.create_task(self._read())

    async def exit_reason(self) -> str:
        """Returns the last line of stderr, or the exit code; "" while the process runs."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_EXIT_TIMEOUT_S):
                await self._process.wait()
                await asyncio.shield(self._reading)
        if self._process.returncode is None:
            return ""
        return self.last_line or f"it ended with exit code {self._process.returncode}"

    def close(self) -> None:
        """Sends SIGHUP, as ssh does, without waiting. Calling it again is safe."""
        self._signal(signal.SIGHUP)

    async def end(self) -> None:
        """Ends the process and waits for it. Calling it again is safe."""
        self.close()
        try:
            async with asyncio.timeout(_EXIT_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()
        self._reading.cancel()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    async def _read(self) -> None:
        assert self._process.stderr is not None
        tail = b""
        while piece := await self._process.stderr.read(_PIECE):
            tail = (tail + piece)[-_PIECE:]
            lines = [line for line in tail.decode("utf-8", "replace").splitlines() if line.strip()]
            self.last_line = lines[-1].strip()[:_MAX_LINE_CHARS] if lines else ""


async def open_transport(settings: HostSettings) -> HostTransport:
    """Connects without its own deadline. Raises OSError, ConfigError."""
    if settings.proxy_command is None:
        return await _connect(settings)
    return await _start_proxy(settings, settings.proxy_command)


async def _connect(settings: HostSettings) -> HostTransport:
    for _ in range(settings.connection_attempts - 1):
        with suppress(OSError):
            return await _connect_once(settings)
        await asyncio.sleep(_RETRY_S)
    return await _connect_once(settings)


async def _connect_once(settings: HostSettings) -> HostTransport:
    loop = asyncio.get_running_loop()
    family = _FAMILIES[settings.address_family]
    try:
        found = await loop.getaddrinfo(settings.hostname, settings.port, family=family, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label of more than 63 letters
        raise socket.gaierror(socket.EAI_NONAME, "not a valid name") from error
    last: OSError = OSError("the name has no address")
    for kind, *_, address in found:
        sock = socket.socket(kind, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await _bind(sock, settings)
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            last = error
        except BaseException:
            sock.close()
            raise
        else:
            return HostTransport(sock, str(address[0]))
    raise last


async def _bind(sock: socket.socket, settings: HostSettings) -> None:
    """Binds the socket. BindAddress overrides BindInterface, as in ssh."""
    if settings.bind_address is not None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(settings.bind_address, 0, family=sock.family, type=socket.SOCK_STREAM)
        sock.bind(found[0][4])
    elif settings.bind_interface is not None:
        if sock.family != socket.AF_INET:
            raise OSError(f"BindInterface {settings.bind_interface} works for IPv4 only")
        sock.bind((_interface_address(sock, settings.bind_interface), 0))


def _interface_address(sock: socket.socket, interface: str) -> str:
    request = struct.pack("256s", interface.encode()[:15])
    answer = fcntl.ioctl(sock.fileno(), _SIOCGIFADDR, request)
    return socket.inet_ntoa(answer[20:24])


async def _start_shell(shell: str, command: str, end: int) -> Process:
    return await asyncio.create_subprocess_exec(
        shell, "-c", command, stdin=end, stdout=end, stderr=PIPE, start_new_session=True
    )


async def _start_proxy(settings: HostSettings, command: str) -> HostTransport:
    local_end, child_end = socket.socketpair()
    shell = os.environ.get("SHELL") or "/bin/sh"  # as ssh does
    try:
        with child_end:
            process = await _start_shell(shell, f"exec {command}", child_end.fileno())
    except (OSError, ValueError) as error:
        local_end.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"ProxyCommand: {shell!r} can't be started: {reason!r}", field="ProxyCommand") from error
    except BaseException:
        local_end.close()
        raise
    proxy = ProxyProcess(process)
    local_end.setblocking(False)
    if not settings.proxy_passes_socket:
        return HostTransport(local_end, proxy=proxy)
    try:
        with local_end:
            return HostTransport(await _receive_socket(local_end), proxy=proxy)
    except OSError as error:
        raise failures.proxy_error(settings, await proxy.exit_reason()) from error
    finally:
        await proxy.end()


async def _receive_socket(local_end: socket.socket) -> socket.socket:
    """Returns the socket that the command of ProxyUseFdpass sends. Raises OSError."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(local_end, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(local_end)
    _, passed, _, _ = socket.recv_fds(local_end, 1, 1)
    if not passed:
        raise ConnectionError("no socket was passed")
    sock = socket.socket(fileno=passed[0])
    sock.setblocking(False)
    return sock
