"""What is recorded: a command, what it needs around it, and how its version is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
Values = dict[str, str]
"""What replaces {names} in a command."""


@dataclass(frozen=True)
class Workspace:
    """A folder for one recording, empty at first, and the Python that runs its programs."""

    folder: Path
    python: str


@contextmanager
def nothing(_workspace: Workspace) -> Iterator[Values]:
    """Prepares nothing."""
    yield {}


@dataclass(frozen=True)
class Scenario:
    """One recording. `command` is one shell line; {python}, {programs} and the values of `prepare` are replaced.

    `version` is a shell line; the first number with a dot in its output is the version.
    """

    name: str
    program: str
    version: str
    command: str
    prepare: Callable[[Workspace], AbstractContextManager[Values]] = nothing
    env: tuple[tuple[str, str], ...] = ()
    exit_codes: tuple[int, ...] = (0,)


def python_version(package: str) -> str:
    return f"{{python}} -c 'from importlib.metadata import version; print(version(\"{package}\"))'"
