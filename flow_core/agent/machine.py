"""This machine: its name for our records, and new names for what it holds."""

from __future__ import annotations

import getpass
import hashlib
import os
import secrets
import socket
from pathlib import Path

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_FIRST_PID_NAMESPACE = "pid:[4026531836]"


def new_id(prefix: str) -> str:
    return prefix + "_" + "".join(secrets.choice(_ALPHABET) for _ in range(10))


def user_name() -> str:
    """Who we are to the operating system."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def machine_id() -> str:
    """A name for this machine that gives nothing away. A container counts as a machine of its own."""
    known = _installed_id()
    if not known or _is_contained():
        known += "@" + socket.gethostname()
    return hashlib.sha256(f"flow local {known}".encode()).hexdigest()[:16]


def _installed_id() -> str:
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _is_contained() -> bool:
    try:
        return os.readlink("/proc/self/ns/pid") != _FIRST_PID_NAMESPACE
    except OSError:
        return False
