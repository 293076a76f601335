"""An SSH server that wants a password, or a password and then a code; what OpenSSH does only with PAM."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import asyncssh

from flow_core.ssh.settings import HostSettings

SECRET = "correct horse battery"
CODE = "123456"


class Strict(asyncssh.SSHServer):
    wants: str = "password"

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return self.wants == "password"

    def validate_password(self, username: str, password: str) -> bool:
        return password == SECRET

    def kbdint_auth_supported(self) -> bool:
        return self.wants == "code"

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "Two things, please.", "", [("Password: ", False), ("Code: ", True)]

    def validate_kbdint_response(self, username: str, responses: Any) -> bool:
        return list(responses) == [SECRET, CODE]


@asynccontextmanager
async def strict_sshd(folder: Path, host_key: Path, wants: Literal["password", "code"]) -> AsyncIterator[HostSettings]:
    """Serves until it is left; yields how to get there, known to the client."""
    server = type("Wanting", (Strict,), {"wants": wants})
    async with await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=server,
        server_host_keys=[str(host_key)],
        process_factory=_say_hello,
        encoding=None,
    ) as listener:
        known = folder / "known"
        kind, data, *_ = host_key.with_suffix(".pub").read_text().split()
        known.write_text(f"[127.0.0.1]:{listener.get_port()} {kind} {data}\n")
        yield HostSettings("strict", "127.0.0.1", "me", listener.get_port(), known_hosts=(known,))


async def _say_hello(process: asyncssh.SSHServerProcess[bytes]) -> None:
    marker = re.search(r"flow-\w+", process.command or "")
    assert marker is not None
    for stream in (process.stdout, process.stderr):
        stream.write(b"\x1e" + marker[0].encode() + b" 1\x1e")
    process.stdout.write(b"hello\n")
    process.exit(0)
