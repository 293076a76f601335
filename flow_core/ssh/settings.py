"""The settings of a host, as the user's ssh would use them."""

from __future__ import annotations

import os
import pwd
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flow_core.errors import ConfigError, printable

Strictness = Literal["ask", "yes", "accept-new"]
AddressFamily = Literal["any", "inet", "inet6"]
KEEPALIVE_S = 5.0
KEEPALIVE_COUNT = 3
_UNSAFE_HOST = re.compile(r"[\s'\"`$;&<>|(){}\\/*?!,#]")
_UNSAFE_USER = re.compile(r"['\"`;&<>|(){}]|^-|\s-")
LOCALE_VARIABLES = ("LANG", "LC_*")
"""The variables that most systems' ssh config sends. Without them, bash reads only ASCII letters."""
AUTH_METHODS = ("publickey", "keyboard-interactive", "password")


@dataclass(frozen=True, slots=True)
class Algorithms:
    """The algorithms that the config allows, preferred ones first. An empty tuple means asyncssh's own list."""

    ciphers: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    key_exchange: tuple[str, ...] = ()
    host_keys: tuple[str, ...] = ()
    user_keys: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostSettings:
    """One host. `alias` is the user's name for it. `hops` are its jump hosts, in the order of the connections.

    `connect_timeout_s` limits the time until the server has sent its version. `login_timeout_s` limits the time from
    then until commands run; it applies only without a prompter. A connection that does not answer for `keepalive_s` x
    (`keepalive_count` + 1) seconds is lost. A `strictness` of "ask" asks the user about an unknown key, "yes" refuses
    it, and "accept-new" accepts it. A changed key is always refused, even if the config would accept it
    (`is_unchecked`). `command_options` are options that the program ssh needs to run a command and stay in the
    foreground. `unused_options` are set in the config and have no effect here. `unknown_options` are those that only a
    newer ssh prints.
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
    is_unchecked: bool = False
    is_batch: bool = False
    password_prompts: int = 3
    proxy_command: str | None = None
    hops: tuple[HostSettings, ...] = ()
    keepalive_s: float = KEEPALIVE_S
    keepalive_count: int = KEEPALIVE_COUNT
    connect_timeout_s: float = 20.0
    login_timeout_s: float = 120.0
    connection_attempts: int = 1
    address_family: AddressFamily = "any"
    bind_address: str | None = None
    bind_interface: str | None = None
    tcp_keepalive: bool = True
    proxy_passes_socket: bool = False
    is_compressed: bool = False
    rekey_bytes: int | None = None
    rekey_s: int | None = None
    auth_methods: tuple[str, ...] = AUTH_METHODS
    kbdint_devices: str = ""
    algorithms: Algorithms = Algorithms()
    required_rsa_bits: int = 1024
    revoked_host_keys: Path | None = None
    known_hosts_command: tuple[str, ...] = ()
    checks_address: bool = False
    trusts_loopback: bool = False
    adds_keys_to_agent: bool = False
    agent_to_forward: Path | None = None
    forwards_x11: bool = False
    set_env: tuple[tuple[str, str], ...] = ()
    send_env: tuple[str, ...] = ()
    remote_command: str | None = None
    command_options: tuple[str, ...] = ()
    unused_options: tuple[str, ...] = ()
    unknown_options: tuple[str, ...] = ()

    @property
    def key_name(self) -> str:
        """The host's name in known_hosts."""
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


def parse_jumps(text: str) -> tuple[Jump, ...]:
    """Reads `[user@]host[:port],...` or ssh:// addresses. Raises ConfigError."""
    if text.lower() == "none" or not text:
        return ()
    return tuple(_parse_jump(word.strip()) for word in text.split(","))


def check_host_name(name: str, field: str = "host") -> str:
    """Returns the name if it is safe for ssh and known_hosts. Raises ConfigError."""
    if not name or name.startswith("-") or name in (".", "..") or _UNSAFE_HOST.search(name) or not name.isprintable():
        raise ConfigError(f"{field}: {printable(repr(name))} is not a host name", field=field)
    return name


def check_user_name(name: str) -> str:
    """Returns the name if ssh's own rules allow it. Raises ConfigError."""
    if not name or not name.isprintable() or name.endswith("\\") or _UNSAFE_USER.search(name):
        raise ConfigError(f"user: {printable(repr(name))} is not a user name", field="user")
    return name


def get_home() -> Path:
    return Path.home()


def get_account_home() -> Path:
    """Returns the home in the password database, which ssh uses; $HOME if there is none."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return get_home()


def get_user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return os.environ.get("USER", "")


def _parse_jump(text: str) -> Jump:
    found = re.fullmatch(r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]]+\]|[^:]+)(?::(?P<port>\d+))?/?", text)
    if found is None:
        raise ConfigError(f"ProxyJump: {text!r} is no host; write [user@]host[:port]", field="ProxyJump")
    port = found["port"]
    return Jump(check_host_name(found["host"].strip("[]")), found["user"], int(port) if port else None)
