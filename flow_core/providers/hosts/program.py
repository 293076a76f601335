"""The program that runs on the machines: what is sent for one question, and the copy that stays."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from importlib.resources import files

# In this order: the first one says what the files on a machine are.
_PARTS = (
    *("head", "leases", "places", "processes", "settling", "gpus", "keeping", "entering"),
    *("volumes", "answers", "looking"),
)


def question(call: str, *words: str) -> bytes:
    """A call of one of the program's functions, for sh on its stdin.

    All of it is one compound command, so that a program that was cut off on its way does nothing at all.
    """
    line = b" ".join([call.encode(), *(_word(word) for word in words)])
    return b"{\n" + program() + b"\n" + line + b"\n} </dev/null\n"


def resident() -> str:
    """What stays on a machine to run beside its tasks: `sh FILE CALL WORDS`."""
    return "{\n" + program().decode() + '\n"$@"\nexit\n}'


@lru_cache(maxsize=1)
def program() -> bytes:
    folder = files(__package__) / "agent"
    return b"\n".join((folder / f"{part}.sh").read_bytes() for part in _PARTS)


@lru_cache(maxsize=1)
def version() -> str:
    """Tells this program from all before and after it: a task's keeper runs the one that it was started with."""
    return hashlib.sha256(program()).hexdigest()[:16]


def _word(text: str) -> bytes:
    return b"'" + os.fsencode(text).replace(b"'", b"'\\''") + b"'"
