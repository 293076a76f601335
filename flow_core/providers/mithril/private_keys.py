"""The private keys that log in to a machine: the configured one, those that the API created, and those of ~/.ssh."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.regular_files import read_start
from flow_core.errors import ConfigError
from flow_core.ssh.public_keys import PublicKey, parse_public_key, read_local_public_keys

_PUBLIC_KEY_BYTES_MAX = 64 << 10


def find_private_keys(folder: Path, public_keys: Mapping[str, str], key_file: Path | None) -> tuple[Path, ...]:
    """Returns the files to log in with, the likeliest first, for a machine that accepts these public keys (by id).

    Does blocking I/O.
    """
    paths = [] if key_file is None else [key_file]
    paths += [path for key_id in public_keys if (path := make_key_path(folder, key_id)).is_file()]
    accepted = [key for text in public_keys.values() if (key := try_parse_public_key(text)) is not None]
    for name, key in read_local_public_keys().items():
        path = (Path.home() / ".ssh" / name).with_suffix("")
        if any(key.is_same_as(accepted_key) for accepted_key in accepted) and path.is_file():
            paths.append(path)
    return tuple(dict.fromkeys(paths))


def make_key_path(folder: Path, key_id: str) -> Path:
    """Returns the path of the private key of a key that the API created."""
    return folder / "keys" / key_id


def find_stored_ids(folder: Path) -> frozenset[str]:
    """Returns the ids of the keys whose private keys are stored there. Does blocking I/O."""
    try:
        return frozenset(path.name for path in (folder / "keys").iterdir() if path.is_file())
    except OSError:
        return frozenset()


def store_key(folder: Path, key_id: str, private_key: str) -> Path:
    """Writes the private key for this user alone, completely or not at all. Does blocking I/O. Raises OSError."""
    path = make_key_path(folder, key_id)
    make_private_folder(path.parent)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="utf-8") as stream:
        stream.write(private_key.rstrip("\n") + "\n")
        stream.flush()
        os.fsync(fd)
    os.replace(partial, path)
    return path


def find_agent_socket() -> Path | None:
    """Returns the socket of the user's SSH agent; None without an agent."""
    path = os.environ.get("SSH_AUTH_SOCK")
    return Path(path) if path else None


def read_public_key(private_key: Path) -> PublicKey | None:
    """Returns the public key in the .pub file beside a private key; None if there is none. Does blocking I/O."""
    try:
        return try_parse_public_key(
            read_start(private_key.with_name(private_key.name + ".pub"), _PUBLIC_KEY_BYTES_MAX).decode("utf-8")
        )
    except (OSError, UnicodeDecodeError):
        return None


def try_parse_public_key(text: str) -> PublicKey | None:
    """Parses a public key; returns None for a text that is none."""
    try:
        return parse_public_key(text)
    except ConfigError:
        return None
