"""Reads known_hosts files, classifies a host's key more precisely than asyncssh, and adds a key."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import ipaddress
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.regular_files import read_start
from flow_core.errors import ConfigError, ProviderError, printable

if TYPE_CHECKING:
    from asyncssh import SSHKey

    from flow_core.ssh.settings import HostSettings

_MAX_BYTES = 64 << 20
_KRL = b"SSHKRL\n\0"
_UNSAFE_NAME = re.compile(r"[\s,*?!|#@]")


class KeyStatus(StrEnum):
    """The status that the known_hosts files give to a key that a host shows."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    REVOKED = "revoked"


@dataclass(slots=True)
class KnownKeys:
    """The keys of one host name in the files. `locations` holds "file:line" of each of `keys`."""

    name: str = ""
    keys: list[SSHKey] = field(default_factory=list)
    locations: list[str] = field(default_factory=list)
    authorities: list[SSHKey] = field(default_factory=list)
    revoked: list[SSHKey] = field(default_factory=list)
    default_port_keys: list[SSHKey] = field(default_factory=list)
    """Keys of the same host on port 22. They are trusted here too; another key does not count as changed."""
    at_address: KnownKeys | None = None
    """The keys of the connected address, if CheckHostIP is set."""

    def get_status(self, key: SSHKey) -> KeyStatus:
        """Returns the status of a key.

        A host that is known only by keys of other types counts as changed: otherwise an attacker could avoid the known
        keys.
        """
        if key in self.revoked:
            return KeyStatus.REVOKED
        if self.at_address is not None and self.at_address.keys and key not in self.at_address.keys:
            return KeyStatus.CHANGED
        if key in self.keys or (not self.keys and key in self.default_port_keys):
            return KeyStatus.KNOWN
        return KeyStatus.CHANGED if self.keys else KeyStatus.UNKNOWN

    @property
    def trusted(self) -> list[SSHKey]:
        """The keys that the host may show."""
        return [key for key in self.keys or self.default_port_keys if self.get_status(key) is KeyStatus.KNOWN]


def load_known_keys(settings: HostSettings, extra_lines: str = "", address: str | None = None) -> KnownKeys:
    """Reads the files of these settings and `extra_lines`, the output of KnownHostsCommand. Blocking.

    Skips lines that can't be read, as ssh does. Raises ConfigError if RevokedHostKeys can't be read.
    """
    found = _search(settings, settings.key_name, extra_lines)
    if address is not None and not is_loopback_address(address):  # ssh skips loopback addresses too
        found.at_address = _search(settings, address.lower() if settings.port == 22 else f"[{address}]:{settings.port}")
    found.authorities = [key for key in found.authorities if _may_certify(settings, key)]
    if settings.revoked_host_keys is not None:
        found.revoked += _load_revoked(settings.revoked_host_keys)
    return found


def _search(settings: HostSettings, name: str, extra_lines: str = "") -> KnownKeys:
    found = KnownKeys(name)
    default_port_name = settings.hostname.lower()
    for path in (*settings.known_hosts, *settings.global_known_hosts):
        for number, line in enumerate(_read_lines(path), 1):
            _add_matches(found, line, name, f"{path}:{number}")
            if name != default_port_name and not settings.host_key_alias:
                _add_default_port_matches(found, line, default_port_name)
    for line in extra_lines.split("\n"):
        _add_matches(found, line, name, "KnownHostsCommand")
    return found


def is_loopback_address(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _may_certify(settings: HostSettings, key: SSHKey) -> bool:
    allowed = settings.algorithms.authorities
    return not allowed or any(name.decode() in allowed for name in (key.algorithm, *key.sig_algorithms))


def _load_revoked(path: Path) -> list[SSHKey]:
    """Returns the keys of a revocation list. ssh trusts no host while it can't read this file."""
    import asyncssh  # lazy import: 0.2 s that only a connection needs

    try:
        data = read_start(path, _MAX_BYTES)
    except OSError:
        data = None
    if data is None or data.startswith(_KRL):
        reason = "can't be read" if data is None else "is a KRL, which only ssh can read: list the keys instead"
        raise ConfigError(f"RevokedHostKeys: {str(path)!r} {reason}", field="RevokedHostKeys")
    keys = []
    for line in data.splitlines():
        with suppress(ValueError):
            keys.append(asyncssh.import_public_key(line))
    return keys


def add_known_host(settings: HostSettings, key: SSHKey) -> bool:
    """Adds the host's key to known_hosts; returns False if the settings name no file. Blocking.

    Takes a lock. Raises ProviderError if another key of the host was added meanwhile, or if known_hosts would read the
    name as several names or as a pattern.
    """
    if _UNSAFE_NAME.search(settings.key_name) or not settings.key_name.isprintable():
        raise ProviderError(f"{printable(repr(settings.key_name))} can't be a name in known_hosts; nothing was written")
    path = next(iter(settings.known_hosts), None)
    if path is None:
        return False
    line = f"{_hash_name(settings.key_name) if settings.hashes_names else settings.key_name} {_export(key)}\n"
    try:
        make_private_folder(path.parent)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        with open(fd, "rb+", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return False
            fcntl.flock(fd, fcntl.LOCK_EX)
            if (status := load_known_keys(settings).get_status(key)) is KeyStatus.KNOWN:
                return True
            if status is not KeyStatus.UNKNOWN:
                raise ProviderError(f"another key of {settings.alias!r} was written to {str(path)!r} meanwhile")
            file.write((b"" if _ends_with_newline(fd) else b"\n") + line.encode())
            os.fsync(fd)
    except OSError as error:
        raise ProviderError(f"{str(path)!r} can't be written to: {(error.strerror or str(error)).lower()}") from error
    return True


def format_fingerprint(key: SSHKey) -> str:
    """Returns the fingerprint in the form of `ssh-keygen -l`."""
    return key.get_fingerprint()


def get_key_type(key: SSHKey) -> str:
    """Returns the algorithm, such as "ssh-ed25519"."""
    return key.get_algorithm()


def _read_lines(path: Path) -> Iterator[str]:
    try:
        text = read_start(path, _MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return
    yield from text.split("\n")


def _add_matches(found: KnownKeys, line: str, name: str, location: str) -> None:
    keys, authorities, revoked = _match(line, name)
    found.keys += keys
    found.locations += [location] * len(keys)
    found.authorities += authorities
    found.revoked += revoked


def _add_default_port_matches(found: KnownKeys, line: str, name: str) -> None:
    keys, authorities, revoked = _match(line, name)
    found.default_port_keys += keys
    found.authorities += authorities
    found.revoked += revoked


def _match(line: str, name: str) -> tuple[list[SSHKey], list[SSHKey], list[SSHKey]]:
    import asyncssh  # lazy import: 0.2 s that only a connection needs

    words = line.split(None, 2)
    names = words[1] if words and words[0].startswith("@") and len(words) > 1 else words[0] if words else "#"
    is_pattern = any(sign in names for sign in "*?|!")
    if names.startswith("#") or not (is_pattern or name in names.lower().split(",")):
        return [], [], []
    try:
        # ssh compares names in lower case; a hashed name was lower case before hashing.
        text = line if names.startswith("|") else line.replace(names, names.lower(), 1)
        keys, authorities, revoked, *_ = asyncssh.import_known_hosts(text).match(name, "", None)
    except ValueError:
        return [], [], []
    return list(keys), list(authorities), list(revoked)


def _export(key: SSHKey) -> str:
    kind, data = key.export_public_key("openssh").decode().split()[:2]
    return f"{kind} {data}"


def _hash_name(name: str) -> str:
    salt = os.urandom(20)
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def _ends_with_newline(fd: int) -> bool:
    size = os.fstat(fd).st_size
    return size == 0 or os.pread(fd, 1, size - 1) == b"\n"
