"""Asking the system's ssh how it would reach a host; where there is none, asyncssh's own reading of the config."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from flow_core.errors import ConfigError, Unreachable
from flow_core.ssh.settings import (
    HostSettings,
    Jump,
    account_home,
    checked_host,
    home,
    parse_settings,
    settings_from,
    user_name,
)

_DEADLINE_S = 10.0
_MOST_HOPS = 8


async def find_settings(host: str, *, config: Path | None = None) -> HostSettings:
    """What the user's ssh config (or `config` alone) says of a host and of the jump hosts on the way.

    Runs what `Match exec` names, as ssh does. Raises ConfigError, Unreachable after 10 s.
    """
    return await _find(Jump(checked_host(host)), config, ())


async def _find(jump: Jump, config: Path | None, seen: tuple[Jump, ...]) -> HostSettings:
    if jump in seen or len(seen) > _MOST_HOPS:
        raise ConfigError(f"ProxyJump: the way to {seen[0].host!r} leads in a circle", field="ProxyJump")
    settings, jumps = await _ask(jump, config)
    if not jumps:
        return settings
    nearest = await _find(jumps[0], config, (*seen, jump))
    # As `ssh -J a,b`: only the nearest goes by its own ProxyJump, the others follow one another.
    rest = [(await _ask(other, config))[0] for other in jumps[1:]]
    return replace(settings, hops=(*nearest.hops, replace(nearest, hops=()), *rest), proxy_command=None)


async def _ask(jump: Jump, config: Path | None) -> tuple[HostSettings, tuple[Jump, ...]]:
    ssh = shutil.which("ssh")
    if ssh is None:
        return await asyncio.to_thread(_read_ourselves, jump, config)
    user = () if jump.user is None else ("-l", jump.user)
    port = () if jump.port is None else ("-p", str(jump.port))
    text = await _run((ssh, "-G", *_which(config), *user, *port, "--", jump.host), jump.host)
    return parse_settings(text, jump.host)


def _which(config: Path | None) -> Sequence[str]:
    """ssh finds its config by the password database; a HOME that was set on purpose counts for us."""
    if config is not None:
        return ("-F", str(config))
    if home() == account_home():
        return ()
    own = home() / ".ssh" / "config"
    return ("-F", str(own) if own.exists() else "none")


async def _run(argv: Sequence[str], host: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    try:
        async with asyncio.timeout(_DEADLINE_S):
            out, err = await process.communicate()
    except TimeoutError:
        raise Unreachable(
            f"ssh did not say within {_DEADLINE_S:g} s how to reach {host!r}; look at Match exec in its config"
        ) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with what Match exec runs, which holds our pipes
            await process.wait()
    if process.returncode:
        said = err.decode("utf-8", "replace").strip().splitlines() or ["it gave no reason"]
        raise ConfigError(f"ssh can't use its config for {host!r}: {said[0]!r}", field="host")
    return out.decode("utf-8", "replace")


def _read_ourselves(jump: Jump, config: Path | None) -> tuple[HostSettings, tuple[Jump, ...]]:
    from asyncssh.config import ConfigParseError, SSHClientConfig  # deferred: 0.2 s, and only where no ssh is

    own = home() / ".ssh"
    files = [config] if config else [path for path in (own / "config", Path("/etc/ssh/ssh_config")) if path.exists()]
    local = user_name()
    try:
        read = SSHClientConfig.load(
            None, list(files), False, False, False, local, jump.user or (), jump.host, jump.port or ()
        )
    except (ConfigParseError, OSError) as error:
        raise ConfigError(f"the ssh config can't be used for {jump.host!r}: {str(error)!r}", field="host") from error
    found = {name.lower(): _texts(value) for name, value in read.get_options(False).items()}
    found.setdefault("identityfile", [str(own / name) for name in ("id_ed25519", "id_ecdsa", "id_rsa")])
    found.setdefault("userknownhostsfile", [str(own / "known_hosts")])
    found.setdefault("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts"])
    if jump.user:
        found["user"] = [jump.user]
    if jump.port:
        found["port"] = [str(jump.port)]
    for name in ("userknownhostsfile", "globalknownhostsfile"):
        found[name] = [" ".join(found[name])]
    return settings_from(found, jump.host)


def _texts(value: object) -> list[str]:
    if isinstance(value, list):
        return [str(one) for one in value]
    return ["yes" if value is True else "no" if value is False else str(value)]
