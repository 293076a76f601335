"""The server's host key, flow's client key, and the keys that the server accepts."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.agent.records import sync_folder
from flow_core.agent.regular_files import read_regular_file
from flow_core.errors import ConfigError, ProviderError
from flow_core.providers.local.sshd.address import HOST_ALIAS
from flow_core.providers.local.sshd.server_files import SshFolder
from flow_core.ssh.public_keys import PublicKey, parse_public_key, read_local_public_keys

if TYPE_CHECKING:
    import asyncssh

_KIND = "ssh-ed25519"


def prepare_keys(folder: SshFolder) -> asyncssh.SSHKey:
    """Returns the host key. Creates both keys if they are missing. Call it under the server's lock.

    Existing keys stay. Raises ProviderError for a key that can't be read.
    """
    host, client = _load_or_create_key(folder.host_key), _load_or_create_key(folder.client_key)
    _write_private(folder.client_public_key, client.export_public_key())
    _write_private(folder.known_hosts, f"{HOST_ALIAS} ".encode() + host.export_public_key())
    return host


def read_accepted_keys(folder: SshFolder) -> set[bytes]:
    """Returns the public keys that may log in: flow's own, and those of this user. Does blocking I/O."""
    accepted = {base64.b64decode(key.data) for key in _list_own_keys()}
    try:
        client_key = parse_public_key(read_regular_file(folder.client_public_key).decode("ascii"))
        accepted.add(base64.b64decode(client_key.data))
    except (OSError, UnicodeDecodeError, ConfigError):
        pass  # flow's key is not accepted then; the next start writes it again
    return accepted


def _list_own_keys() -> list[PublicKey]:
    """Returns the user's public keys in ~/.ssh.

    Skips a key without its private key beside it (a lone .pub file may be another user's), and files that other users
    can write.
    """
    folder = Path.home() / ".ssh"
    return [
        key
        for name, key in read_local_public_keys(folder).items()
        if _is_writable_only_by_us(folder)
        and _is_writable_only_by_us(folder / name)
        and _is_writable_only_by_us(folder / name.removesuffix(".pub"))
    ]


def _is_writable_only_by_us(path: Path) -> bool:
    """Returns whether only this user can have written the file."""
    try:
        info = path.stat()
    except OSError:
        return False
    return info.st_uid == os.geteuid() and not info.st_mode & 0o022


def _load_or_create_key(path: Path) -> asyncssh.SSHKey:
    import asyncssh  # lazy import: slow to load, and only the server needs it

    if not path.exists():
        _write_private(path, asyncssh.generate_private_key(_KIND, comment=HOST_ALIAS).export_private_key())
    try:
        os.chmod(path, 0o600)  # ssh uses no key that others may read
        return asyncssh.read_private_key(path)
    except (OSError, asyncssh.KeyImportError) as error:
        raise ProviderError(f"{path} can't be read as a key: {error}; move it away, and a new one is made") from error


def _write_private(path: Path, content: bytes) -> None:
    """Writes the file completely, with mode 0600, unless it has this content already."""
    if path.exists() and read_regular_file(path) == content:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)
