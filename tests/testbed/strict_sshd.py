"""An SSH server that wants a password, a password and then a code, or time; what OpenSSH does only with PAM."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import asyncssh

from flow_core.ssh.settings import HostSettings

SECRET = "correct horse battery"
CODE = "123456"


class Strict(asyncssh.SSHServer):
    """With "push", a right password is good once `approved` is set; with "time", everybody is let in then.

    The banner is sent once `banner_due` is set.
    """

    wants: str = "password"
    banner: str = ""
    approved: asyncio.Event
    banner_due: asyncio.Event

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    async def begin_auth(self, username: str) -> bool:
        if self.banner:
            await self.banner_due.wait()
            self._connection.send_auth_banner(self.banner)
        if self.wants == "time":
            await self.approved.wait()
        return self.wants != "time"

    def password_auth_supported(self) -> bool:
        return self.wants in ("password", "push")

    async def validate_password(self, username: str, password: str) -> bool:
        if self.wants == "push":
            await self.approved.wait()
        return password == SECRET

    def kbdint_auth_supported(self) -> bool:
        return self.wants == "code"

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "Two things, please.", "", [("Password: ", False), ("Code: ", True)]

    def validate_kbdint_response(self, username: str, responses: Any) -> bool:
        return list(responses) == [SECRET, CODE]


@asynccontextmanager
async def strict_sshd(
    folder: Path,
    host_key: Path,
    wants: Literal["password", "code", "push", "time"],
    *,
    approved: asyncio.Event | None = None,
    banner: str = "",
    banner_due: asyncio.Event | None = None,
) -> AsyncIterator[HostSettings]:
    """Serves until it is left; yields how to get there, known to the client."""
    if banner_due is None:
        banner_due = asyncio.Event()
        banner_due.set()
    facts = {"wants": wants, "approved": approved or asyncio.Event(), "banner": banner, "banner_due": banner_due}
    async with await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=type("Wanting", (Strict,), facts),
        server_host_keys=[str(host_key)],
        process_factory=_serve,
        encoding=None,
    ) as listener:
        known = folder / "known"
        kind, data, *_ = host_key.with_suffix(".pub").read_text().split()
        known.write_text(f"[127.0.0.1]:{listener.get_port()} {kind} {data}\n")
        yield HostSettings("strict", "127.0.0.1", "me", listener.get_port(), known_hosts=(known,))


async def _serve(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Says hello to a command, and lets a shell wait for its end."""
    if process.command is None:
        process.stdout.write(b"$ ")
        with suppress(asyncssh.SignalReceived):
            await process.stdin.read()
        process.exit(0)
        return
    marker = re.search(r"flow-\w+", process.command)
    assert marker is not None
    for stream in (process.stdout, process.stderr):
        stream.write(b"\x1e" + marker[0].encode() + b" 1\x1e")
    process.stdout.write(b"hello\n")
    process.exit(0)
