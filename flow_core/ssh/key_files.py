"""Reads the files of IdentityFile and CertificateFile as ssh does."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from flow_core.agent.regular_files import read_start

_MAX_BYTES = 256 << 10
_MAGIC = b"openssh-key-v1\0"
_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One key file. `public` is None if a passphrase hides it.

    `problem` is the reason why ssh would not sign with it.
    """

    path: Path
    data: bytes
    public: asyncssh.SSHKey | None
    certificate: asyncssh.SSHCertificate | None
    problem: str

    @property
    def public_data(self) -> list[bytes]:
        """The public data of the key and of its certificate, as an agent lists them."""
        return [part.public_data for part in (self.public, self.certificate) if part is not None]


def read_key_file(path: Path, *, with_certificate: bool) -> KeyFile | None:
    """Reads a key file; returns None if the file and its .pub file are missing. Blocking."""
    data = _read(path)
    file_key = _import_public(data) if data is not None and b"PRIVATE KEY" not in data else None
    sibling_key = (
        None if file_key else _import_public(_read(path.with_name(f"{path.name}.pub")))
    )  # ssh prefers the .pub file
    public = file_key or sibling_key or _import_public(_embedded_public_key(data))
    if data is None and public is None:
        return None
    certificate_path = path.with_name(f"{path.name}-cert.pub")
    certificate = (
        next((found for _, found in read_certificates((certificate_path,))), None) if with_certificate else None
    )
    problem = _find_problem(path, public, is_public=file_key is not None) or _find_format_problem(data or b"", public)
    return KeyFile(path, data or b"", public, certificate, problem)


def read_certificates(paths: tuple[Path, ...]) -> list[tuple[str, asyncssh.SSHCertificate]]:
    """Returns (name, certificate) of each file; skips files without one. Blocking."""
    found: list[tuple[str, asyncssh.SSHCertificate]] = []
    for path in paths:
        try:
            if (data := _read(path)) is not None:
                found.append((path.name, asyncssh.import_certificate(data)))
        except ValueError:
            continue
    return found


def is_locked(error: asyncssh.KeyImportError) -> bool:
    return "passphrase" in str(error).lower()


def get_rsa_bits(public_data: bytes) -> int | None:
    """Returns the size of an RSA key in bits; None for other types."""
    kind, rest = _split_field(public_data)
    if kind != b"ssh-rsa":
        return None
    _, rest = _split_field(rest)
    modulus, _ = _split_field(rest)
    return int.from_bytes(modulus, "big").bit_length()


def _find_problem(path: Path, public: asyncssh.SSHKey | None, *, is_public: bool) -> str:
    if is_public:
        return "is only the public half of a key, and the agent does not hold the private one"
    if public is not None and public.algorithm.startswith(b"sk-"):
        return "is a security key, which works through an agent: add it with ssh-add"
    try:
        status = path.stat()
    except OSError:
        return "is missing; only its .pub file is there, and the agent does not hold the key"
    if status.st_uid == os.getuid() and status.st_mode & 0o077:
        return f"is ignored, as ssh does, since others may read it: chmod 600 {path}"
    return ""


def _find_format_problem(data: bytes, public: asyncssh.SSHKey | None) -> str:
    if _BEGIN + b"\r\n" in data:
        return "has the line ends of Windows, with which ssh can't read it: convert it with dos2unix"
    embedded = _import_public(_embedded_public_key(data))
    if embedded is not None and public is not None and embedded.public_data != public.public_data:
        return "does not belong to the .pub file beside it, which ssh offers first: remove that file"
    return ""


def _import_public(data: bytes | None) -> asyncssh.SSHKey | None:
    try:
        return asyncssh.import_public_key(data) if data else None
    except ValueError:
        return None


def _embedded_public_key(data: bytes | None) -> bytes | None:
    """Returns the public key that OpenSSH's own format stores unencrypted."""
    if data is None or _BEGIN not in data:
        return None
    try:
        blob = base64.b64decode(b"".join(data.strip().splitlines()[1:-1]))
    except binascii.Error:
        return None
    rest = blob.removeprefix(_MAGIC)
    for _ in range(3):  # cipher, kdf, its options
        _, rest = _split_field(rest)
    key, _ = _split_field(rest[4:])
    kind, _ = _split_field(key)
    return kind + b" " + base64.b64encode(key)


def _split_field(data: bytes) -> tuple[bytes, bytes]:
    end = 4 + int.from_bytes(data[:4], "big")
    return data[4:end], data[end:]


def _read(path: Path) -> bytes | None:
    try:
        return read_start(path, _MAX_BYTES)
    except (OSError, ValueError):
        return None
