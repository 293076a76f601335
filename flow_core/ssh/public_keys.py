"""Reads and compares public SSH keys, and lists those of this user. Never reads a private key."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path

from flow_core.agent.regular_files import read_start
from flow_core.errors import ConfigError

_PREFERRED = ("id_ed25519.pub", "id_rsa.pub")
_MAX_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One line of a .pub file. `kind` is its algorithm, such as "ssh-ed25519"; `data` is base64."""

    kind: str
    data: str
    comment: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.data} {self.comment}".rstrip()

    @property
    def fingerprint(self) -> str:
        """The fingerprint in the form of `ssh-keygen -l`: "SHA256:..."."""
        digest = hashlib.sha256(base64.b64decode(self.data)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def is_same_as(self, other: PublicKey) -> bool:
        """Returns whether both belong to one private key. Ignores comments."""
        return (self.kind, self.data) == (other.kind, other.data)


def parse_public_key(text: str) -> PublicKey:
    """Reads one line. Raises ConfigError, which never repeats the input."""
    if "PRIVATE KEY" in text:
        raise ConfigError("public_key: that is a private key; give the .pub file beside it", field="public_key")
    words = text.strip().split(None, 2)
    if len(words) < 2 or len(text) > _MAX_BYTES or not text.strip().isprintable():
        raise _invalid_key_error()
    key = PublicKey(*words)
    if "-cert-v" in key.kind:
        raise ConfigError("public_key: that is a certificate; give the key it was made for", field="public_key")
    try:
        blob = base64.b64decode(key.data, validate=True)
    except (binascii.Error, ValueError):
        raise _invalid_key_error() from None
    length = int.from_bytes(blob[:4], "big")
    if blob[4 : 4 + length] != key.kind.encode() or len(blob) <= 4 + length:
        raise _invalid_key_error()
    return key


def read_local_public_keys(folder: Path | None = None) -> dict[str, PublicKey]:
    """Returns this user's keys by file name (~/.ssh/*.pub), preferred names first. Skips other files. Blocking."""
    key_folder = folder or Path.home() / ".ssh"
    try:
        names = sorted(path.name for path in key_folder.glob("*.pub"))
    except OSError:
        return {}
    names.sort(key=lambda name: _PREFERRED.index(name) if name in _PREFERRED else len(_PREFERRED))
    return {name: key for name in names if (key := _read(key_folder / name)) is not None}


def _read(path: Path) -> PublicKey | None:
    try:
        return parse_public_key(read_start(path, _MAX_BYTES).decode())
    except (OSError, UnicodeDecodeError, ConfigError):
        return None


def _invalid_key_error() -> ConfigError:
    return ConfigError(
        "public_key: is no OpenSSH public key; give a line such as 'ssh-ed25519 AAAA... name'", field="public_key"
    )
