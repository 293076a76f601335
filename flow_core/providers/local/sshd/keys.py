"""The server's own key, the key we enter with, and whose keys are let in."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.agent.bounded_read import read_regular_file
from flow_core.agent.records import sync_folder
from flow_core.errors import ConfigError, ProviderError
from flow_core.providers.local.sshd.address import HOST_ALIAS
from flow_core.providers.local.sshd.server_files import SshFolder
from flow_core.ssh.public_keys import PublicKey, local_public_keys, parse_public_key

if TYPE_CHECKING:
    import asyncssh

_KIND = "ssh-ed25519"


def prepare_keys(folder: SshFolder) -> asyncssh.SSHKey:
    """The host key. Makes both keys where they are missing; what is there stays. Call it under the server's lock.

    Raises ProviderError for a key that can't be read.
    """
    host, client = _key(folder.host_key), _key(folder.client_key)
    _put(folder.client_public_key, client.export_public_key())
    _put(folder.known_hosts, f"{HOST_ALIAS} ".encode() + host.export_public_key())
    return host


def accepted_keys(folder: SshFolder) -> set[bytes]:
    """The public keys that may enter: our own, and those of this user. Blocking."""
    accepted = {base64.b64decode(key.data) for key in _own_keys()}
    try:
        ours = parse_public_key(read_regular_file(folder.client_public_key).decode("ascii"))
        accepted.add(base64.b64decode(ours.data))
    except (OSError, UnicodeDecodeError, ConfigError):
        pass  # without it nobody enters with our key; the next start writes it again
    return accepted


def _own_keys() -> list[PublicKey]:
    """~/.ssh/*.pub, but only where the private key lies beside: a lone .pub file may be somebody else's."""
    place = Path.home() / ".ssh"
    return [
        key
        for name, key in local_public_keys(place).items()
        if _is_mine(place) and _is_mine(place / name) and _is_mine(place / name.removesuffix(".pub"))
    ]


def _is_mine(path: Path) -> bool:
    """Whether nobody else could have put it there."""
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _key(path: Path) -> asyncssh.SSHKey:
    import asyncssh  # deferred: takes longer than all the rest

    if not path.exists():
        _put(path, asyncssh.generate_private_key(_KIND, comment=HOST_ALIAS).export_private_key())
    try:
        os.chmod(path, 0o600)  # ssh uses no key that others may read
        return asyncssh.read_private_key(path)
    except (OSError, asyncssh.KeyImportError) as error:
        raise ProviderError(f"{path} can't be read as a key: {error}; move it away, and a new one is made") from error


def _put(path: Path, content: bytes) -> None:
    """Writes the file whole, for the owner's eyes only, unless it holds just that already."""
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
