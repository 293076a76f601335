"""The private halves that open a machine: the one that was named, those that the API made for us, and ~/.ssh."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from flow_core.agent.bounded_read import read_start
from flow_core.agent.private_folders import make_private_folder
from flow_core.errors import ConfigError
from flow_core.ssh.public_keys import PublicKey, local_public_keys, parse_public_key


def private_keys(folder: Path, public_keys: Mapping[str, str], named: Path | None) -> tuple[Path, ...]:
    """The files to log in with, the likeliest first, for a machine that takes these public keys (by id). Blocking."""
    found = [] if named is None else [named]
    found += [path for key_id in public_keys if (path := path_of(folder, key_id)).is_file()]
    taken = [key for text in public_keys.values() if (key := _parsed(text)) is not None]
    for name, key in local_public_keys().items():
        path = (Path.home() / ".ssh" / name).with_suffix("")
        if any(key.is_same_as(one) for one in taken) and path.is_file():
            found.append(path)
    return tuple(dict.fromkeys(found))


_PUBLIC_KEY_BYTES_MAX = 64 << 10


def path_of(folder: Path, key_id: str) -> Path:
    """Where the private half of a key is kept that the API made for us."""
    return folder / "keys" / key_id


def kept_ids(folder: Path) -> frozenset[str]:
    """The ids of the keys whose private halves are kept so. Blocking."""
    try:
        return frozenset(path.name for path in (folder / "keys").iterdir() if path.is_file())
    except OSError:
        return frozenset()


def keep(folder: Path, key_id: str, private_key: str) -> Path:
    """Writes it down, for this user alone, whole or not at all. Blocking. Raises OSError."""
    path = path_of(folder, key_id)
    make_private_folder(path.parent)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="utf-8") as stream:
        stream.write(private_key.rstrip("\n") + "\n")
        stream.flush()
        os.fsync(fd)
    os.replace(part, path)
    return path


def agent_of_user() -> Path | None:
    path = os.environ.get("SSH_AUTH_SOCK")
    return Path(path) if path else None


def public_half(private_key: Path) -> PublicKey | None:
    """What stands beside a private key, in its .pub file. Blocking."""
    try:
        return _parsed(
            read_start(private_key.with_name(private_key.name + ".pub"), _PUBLIC_KEY_BYTES_MAX).decode("utf-8")
        )
    except (OSError, UnicodeDecodeError):
        return None


def _parsed(text: str) -> PublicKey | None:
    try:
        return parse_public_key(text)
    except ConfigError:
        return None
