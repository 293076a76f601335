"""Child processes that read logs. Each runs the `main` of a module of this package and can be killed at any moment."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

from flow_core.errors import FlowError

_LONGEST_MESSAGE = 4 << 20
_CLOSE_S = 2.0
_ROOT = str(Path(__file__).resolve().parents[2])
# Appended, so that a module that is installed beside this package never replaces one of Python.
_CODE = (
    "import sys; sys.path.append(sys.argv.pop(1)); from importlib import import_module;"
    "import_module(sys.argv.pop(1)).main(*sys.argv[1:])"
)


async def iter_messages(
    module: str, *arguments: str, stuck_s: float, pass_fds: Sequence[int] = ()
) -> AsyncGenerator[Any, None]:
    """Yields what the module prints, one JSON value per line. The child can import this package and nothing installed.

    It inherits the files in `pass_fds`. Leaving it early kills the child. Read it under `aclosing`. Raises FlowError if
    the child prints nothing for `stuck_s` or does not end well.
    """
    child = await start_child(module, *arguments, pass_fds=pass_fds)
    try:
        while line := await _read_line(child, stuck_s):
            yield json.loads(line)
        if await child.wait():
            raise FlowError("the process that reads the logs failed; try again")
    finally:
        if child.returncode is None:
            child.kill()
        await collect_child(child)


async def start_child(module: str, *arguments: str, pass_fds: Sequence[int] = ()) -> asyncio.subprocess.Process:
    """Starts a child process, with pipes for its standard input and output. The caller must kill and collect it."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", _CODE, _ROOT, module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_LONGEST_MESSAGE,
        pass_fds=pass_fds,
    )


async def collect_child(child: asyncio.subprocess.Process) -> None:
    """Waits until a child that was killed or has ended is gone with its pipes."""
    assert child.stdin is not None  # both are pipes
    assert child.stdout is not None
    child.stdin.close()
    async with asyncio.timeout(_CLOSE_S):
        while await child.stdout.read(_LONGEST_MESSAGE):
            pass
        await child.wait()


async def _read_line(child: asyncio.subprocess.Process, stuck_s: float) -> bytes:
    assert child.stdout is not None  # it is a pipe
    try:
        async with asyncio.timeout(stuck_s):
            return await child.stdout.readline()
    except TimeoutError:
        raise FlowError(f"reading the logs took over {stuck_s:g} s, so it was stopped") from None
