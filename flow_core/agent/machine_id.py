"""The identity of this machine for the records, and new ids."""

from __future__ import annotations

import getpass
import hashlib
import os
from pathlib import Path

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # 32 characters, so that each is as likely as any other
_FIRST_PID_NAMESPACE = "pid:[4026531836]"


def make_new_id(prefix: str) -> str:
    return prefix + "_" + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in os.urandom(10))


def get_user_name() -> str:
    """Returns the name of the current user; the user id if the user has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def get_machine_id() -> str:
    """Returns a hash that identifies this machine and reveals nothing about it.

    A container counts as a separate machine.
    """
    identity = _installed_id()
    if not identity or _is_container():
        identity += "@" + os.uname().nodename
    return hashlib.sha256(f"flow local {identity}".encode()).hexdigest()[:16]


def _installed_id() -> str:
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _is_container() -> bool:
    try:
        return os.readlink("/proc/self/ns/pid") != _FIRST_PID_NAMESPACE
    except OSError:
        return False
