"""Runs KnownHostsCommand, a program that prints known_hosts lines for one host."""

from __future__ import annotations

import asyncio
import re
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError
from flow_core.ssh.settings import HostSettings

if TYPE_CHECKING:
    from asyncssh import SSHKey

_MAX_BYTES = 1 << 20
_DEADLINE_S = 10.0


async def run_known_hosts_command(settings: HostSettings, shown_key: SSHKey | None) -> str:
    """Returns the output of the command for a host, before connecting or for a shown key; "" if no command is set.

    Returns "" if the command can't be started, as ssh does. Raises ConfigError if it fails: ssh then trusts no host.
    """
    if not settings.known_hosts_command:
        return ""
    argv = [_expand(word, settings, shown_key) for word in settings.known_hosts_command]
    try:
        process = await asyncio.create_subprocess_exec(*argv, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    except (OSError, ValueError):
        return ""
    assert process.stdout is not None
    text = b""
    try:
        async with asyncio.timeout(_DEADLINE_S):
            while (piece := await process.stdout.read(_MAX_BYTES)) and len(text) < _MAX_BYTES:
                text += piece
            code = await process.wait()
    except TimeoutError:
        raise _command_error(argv, f"no answer within {_DEADLINE_S:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if code:
        raise _command_error(argv, f"it ended with exit code {code}")
    return text.decode("utf-8", "replace")


def _command_error(argv: list[str], reason: str) -> ConfigError:
    return ConfigError(f"KnownHostsCommand: {argv[0]!r} failed: {reason}", field="KnownHostsCommand")


def _expand(word: str, settings: HostSettings, shown_key: SSHKey | None) -> str:
    data = shown_key.export_public_key("openssh").decode().split()[1] if shown_key is not None else "NONE"
    tokens = {
        "%": "%",
        "f": shown_key.get_fingerprint() if shown_key is not None else "NONE",
        "H": settings.key_name,
        "I": "HOSTNAME" if shown_key is not None else "ORDER",
        "K": data,
        "t": shown_key.get_algorithm() if shown_key is not None else "NONE",
    }
    return re.sub("%(.)", lambda found: tokens.get(found[1], found[0]), word)
