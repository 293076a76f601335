"""Why an agent did not start, by the exit code of what was to start it."""

from __future__ import annotations

from flow_core.agent.startup_error import BROKEN, OLD_PYTHON, UNSAFE
from flow_core.errors import ProviderError
from flow_core.providers.hosts.bootstrap_payload import NO_PYTHON, NOT_THIS_PYTHON
from flow_core.ssh.full_disk import is_full

_SAID_LONGEST = 500


class PythonUnusable(ProviderError):
    """The interpreter could not run the launcher. Another one may."""


def start_error(name: str, code: int, said: str, *, is_ready: bool) -> ProviderError:
    """`said` is what it printed; `is_ready`: all was there, and the agent itself had begun."""
    if is_full(said):
        return ProviderError(f"there is no room on the disk of {name!r}; make room there, and try again")
    if code == NO_PYTHON:
        return ProviderError(
            f"{name!r} has no Python 3.8 or newer, neither on its PATH nor where conda, pyenv, uv and /opt have it;"
            " install one there, or name it by python: in the entry of that host"
        )
    if code == NOT_THIS_PYTHON:
        return ProviderError(f"the python: of {name!r} is no Python 3.8 or newer there; name another, or leave it out")
    if code == UNSAFE:
        return ProviderError(f"{name!r} can't keep tasks safely: {said}")
    if code == BROKEN:
        return ProviderError(f"the agent can't be put on {name!r}: {said or 'it came only in part'}; try again")
    if code == OLD_PYTHON:
        return PythonUnusable(f"the agent on {name!r} needs Python 3.8 or newer: {said}; name another by python:")
    how = f"exit code {code}, {said or 'and said nothing'}"
    if is_ready:
        return ProviderError(f"the agent on {name!r} ended at once with {how}")
    return PythonUnusable(f"the Python of {name!r} could not start the agent and ended with {how}")


def said_by(printed: bytes | bytearray) -> str:
    """The last line of it: of a traceback the one that says what was wrong."""
    lines = printed.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip()[-_SAID_LONGEST:] if lines else ""
