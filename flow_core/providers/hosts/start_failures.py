"""The reason why an agent did not start, from the exit code of its launcher."""

from __future__ import annotations

from flow_core.agent.agent_start_exit import OLD_PYTHON, SYSTEM_ERROR, UNSAFE
from flow_core.errors import ProviderError
from flow_core.providers.hosts.bootstrap_payload import NO_PYTHON, NOT_THIS_PYTHON
from flow_core.ssh.full_disk import is_full

_LINE_CHARACTERS = 500


class PythonUnusable(ProviderError):
    """The interpreter could not run the launcher. Another one may."""


def start_error(name: str, code: int, output: str, *, is_ready: bool) -> ProviderError:
    """Returns the error for an agent that did not start.

    `output` is the last line that it printed. `is_ready` is whether the launcher had finished and the agent itself had
    begun.
    """
    if is_full(output):
        return ProviderError(f"there is no room on the disk of {name!r}; make room there, and try again")
    if code == NO_PYTHON:
        return ProviderError(
            f"{name!r} has no Python 3.8 or newer, neither on its PATH nor where conda, pyenv, uv and /opt have it;"
            " install one there, or name it by python: in the entry of that host"
        )
    if code == NOT_THIS_PYTHON:
        return ProviderError(f"the python: of {name!r} is no Python 3.8 or newer there; name another, or leave it out")
    if code == UNSAFE:
        return ProviderError(f"{name!r} can't keep tasks safely: {output}")
    if code == SYSTEM_ERROR:
        return ProviderError(f"the agent can't be put on {name!r}: {output or 'it came only in part'}; try again")
    if code == OLD_PYTHON:
        return PythonUnusable(f"the agent on {name!r} needs Python 3.8 or newer: {output}; name another by python:")
    ending = f"exit code {code}, {output or 'no output'}"
    if is_ready:
        return ProviderError(f"the agent on {name!r} ended at once with {ending}")
    return PythonUnusable(f"the Python of {name!r} could not start the agent and ended with {ending}")


def find_last_line(output: bytes | bytearray) -> str:
    """Returns the last line of the output; of a traceback, the error."""
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip()[-_LINE_CHARACTERS:] if lines else ""
