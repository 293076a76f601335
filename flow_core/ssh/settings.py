"""How a host is reached, as the user's ssh would reach it: what `ssh -G` says, read."""

from __future__ import annotations

import os
import pwd
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flow_core.errors import ConfigError

Strictness = Literal["ask", "yes", "accept-new"]
_STRICTNESS: dict[str, Strictness] = {
    "ask": "ask",
    "true": "yes",
    "yes": "yes",
    "accept-new": "accept-new",
    # What `no` allows beyond this is a changed key, and that is never taken here.
    "false": "accept-new",
    "no": "accept-new",
    "off": "accept-new",
}
KEEPALIVE_S = 5.0
KEEPALIVE_COUNT = 3


@dataclass(frozen=True, slots=True)
class HostSettings:
    """One host. `alias` is what the user calls it; `hops` are the jump hosts on the way, the nearest first.

    A link that answers nothing for `keepalive_s` x (`keepalive_count` + 1) seconds is lost. A `strictness` of "ask"
    asks the person there is about an unknown key, "yes" never does, "accept-new" takes it; none takes a changed one.
    """

    alias: str
    hostname: str
    user: str
    port: int = 22
    identity_files: tuple[Path, ...] = ()
    certificate_files: tuple[Path, ...] = ()
    identities_only: bool = False
    agent: Path | None = None
    known_hosts: tuple[Path, ...] = ()
    global_known_hosts: tuple[Path, ...] = ()
    host_key_alias: str | None = None
    hashes_names: bool = False
    strictness: Strictness = "ask"
    is_batch: bool = False
    password_prompts: int = 3
    proxy_command: str | None = None
    hops: tuple[HostSettings, ...] = ()
    keepalive_s: float = KEEPALIVE_S
    keepalive_count: int = KEEPALIVE_COUNT
    connect_timeout_s: float = 20.0
    is_compressed: bool = False

    @property
    def key_name(self) -> str:
        """The name its key has in known_hosts."""
        if self.host_key_alias:
            return self.host_key_alias.lower()
        host = self.hostname.lower()
        return host if self.port == 22 else f"[{host}]:{self.port}"

    @property
    def address(self) -> str:
        host = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
        return host if self.port == 22 else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Jump:
    """One host of a ProxyJump line."""

    host: str
    user: str | None = None
    port: int | None = None


def parse_settings(text: str, alias: str) -> tuple[HostSettings, tuple[Jump, ...]]:
    """Reads what `ssh -G alias` printed. The jumps still have to be looked up, each as a host of its own."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name.lower(), []).append(value.strip())
    return settings_from(found, alias)


def settings_from(found: Mapping[str, list[str]], alias: str) -> tuple[HostSettings, tuple[Jump, ...]]:
    """The same from option names in small letters with their values."""

    def one(name: str, default: str = "") -> str:
        return found.get(name, [default])[0]

    hostname, user = one("hostname", alias), one("user") or user_name()
    port = _whole(one("port"), 22)
    tokens = _tokens(alias, hostname, port, user)
    alive_s = _whole(one("serveraliveinterval"), 0)
    proxy_command = one("proxycommand", "none")
    settings = HostSettings(
        alias=alias,
        hostname=hostname,
        user=user,
        port=port,
        identity_files=_paths(found.get("identityfile", []), tokens),
        certificate_files=_paths(found.get("certificatefile", []), tokens),
        identities_only=_flag(one("identitiesonly")),
        agent=_agent(one("identityagent", "SSH_AUTH_SOCK"), tokens),
        known_hosts=_files(one("userknownhostsfile"), tokens),
        global_known_hosts=_files(one("globalknownhostsfile"), tokens),
        host_key_alias=one("hostkeyalias") or None,
        hashes_names=_flag(one("hashknownhosts")),
        strictness=_STRICTNESS.get(one("stricthostkeychecking").lower(), "ask"),
        is_batch=_flag(one("batchmode")),
        password_prompts=_whole(one("numberofpasswordprompts"), 3),
        proxy_command=None if proxy_command.lower() == "none" else _expand(proxy_command, tokens),
        keepalive_s=float(alive_s or KEEPALIVE_S),
        keepalive_count=_whole(one("serveralivecountmax"), KEEPALIVE_COUNT),
        connect_timeout_s=float(_whole(one("connecttimeout"), 20)),
        is_compressed=_flag(one("compression")),
    )
    return settings, parse_jumps(one("proxyjump", "none"))


def parse_jumps(text: str) -> tuple[Jump, ...]:
    """Reads `[user@]host[:port],...` or ssh:// addresses. Raises ConfigError."""
    if text.lower() == "none" or not text:
        return ()
    return tuple(_jump(word.strip()) for word in text.split(","))


def checked_host(name: str) -> str:
    """A name that can be given to ssh. Raises ConfigError."""
    if not name or name.startswith("-") or not name.isprintable() or re.search(r"[\s'\"`$;&<>|(){}\\]", name):
        raise ConfigError(f"host: {name!r} is no name of a host", field="host")
    return name


def home() -> Path:
    return Path.home()


def account_home() -> Path:
    """The home that the password database knows, which is where ssh looks; ours where it knows none."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return home()


def user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return os.environ.get("USER", "")


def _jump(text: str) -> Jump:
    found = re.fullmatch(r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]]+\]|[^:]+)(?::(?P<port>\d+))?/?", text)
    if found is None:
        raise ConfigError(f"ProxyJump: {text!r} is no host; write [user@]host[:port]", field="ProxyJump")
    port = found["port"]
    return Jump(checked_host(found["host"].strip("[]")), found["user"], int(port) if port else None)


def _tokens(alias: str, hostname: str, port: int, user: str) -> dict[str, str]:
    local = socket.gethostname()
    return {
        "%": "%",
        "d": str(home()),
        "h": hostname,
        "i": str(os.getuid()),
        "L": local.partition(".")[0],
        "l": local,
        "n": alias,
        "p": str(port),
        "r": user,
        "u": user_name(),
    }


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    return re.sub("%(.)", lambda found: tokens.get(found[1], found[0]), text)


def _paths(values: list[str], tokens: Mapping[str, str]) -> tuple[Path, ...]:
    texts = [_unquoted(value) for value in values if value.lower() != "none"]
    return tuple(dict.fromkeys(Path(_expand(text, tokens)).expanduser() for text in texts if text))


def _files(value: str, tokens: Mapping[str, str]) -> tuple[Path, ...]:
    """Names in one line, with nothing to tell the space between two from a space inside one."""
    words: list[str] = []
    for word in value.split():
        if words and not word.startswith(("/", "~", '"', "%")):
            words[-1] += f" {word}"
        else:
            words.append(word)
    return tuple(_at_home(path) for path in _paths(words, tokens) if str(path) != "/dev/null")


def _at_home(path: Path) -> Path:
    """ssh goes by the password database; a HOME that was set on purpose is meant for everything below it."""
    real = account_home()
    return home() / ".ssh" / path.name if path.parent == real / ".ssh" else path


def _agent(value: str, tokens: Mapping[str, str]) -> Path | None:
    if value.lower() == "none":
        return None
    if value == "SSH_AUTH_SOCK" or value.startswith("$"):
        value = os.environ.get(value.lstrip("$").strip("{}"), "")
    return Path(_expand(_unquoted(value), tokens)).expanduser() if value else None


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _flag(value: str) -> bool:
    return value.lower() in ("yes", "true")


def _whole(value: str, default: int) -> int:
    return int(value) if value.isdigit() and int(value) > 0 else default
