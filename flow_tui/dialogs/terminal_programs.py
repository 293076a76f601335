"""Runs a program of the user on the terminal, such as an editor or a pager. The app keeps running in the background."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from textual.app import App, SuspendNotSupported

from flow_core.errors import FlowError

_GRACE_S = 2.0
_NO_TERMINAL = "flow-tui can't open a program in this terminal"
_PROGRAM_SIGNALS = (signal.SIGINT, signal.SIGQUIT)


def check_terminal(app: App[Any], message: str = _NO_TERMINAL) -> None:
    """Raises FlowError with this message if the terminal can't be handed over."""
    if app.is_web or app._driver is None or not app._driver.can_suspend:
        raise FlowError(message)


async def run_on_terminal(app: App[Any], argv: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Runs the program until it ends, without a deadline; returns its exit code, negative for a signal.

    Raises OSError if it can't be started, and FlowError if the terminal can't be handed over.
    """
    failed: OSError | asyncio.CancelledError | None = None
    code = 0
    with _suspend_app(app):
        try:
            code = await _wait_for_program(argv, environment)
        except (OSError, asyncio.CancelledError) as error:
            if app._exit:
                raise  # the app is exiting: leave the terminal as it is
            failed = error  # raised below: `suspend` restores the terminal only if its block raises nothing
    if failed is not None:
        raise failed
    return code


async def _wait_for_program(argv: Sequence[str], environment: Mapping[str, str] | None) -> int:
    process = await asyncio.create_subprocess_exec(*argv, env=environment)
    try:
        return await process.wait()  # no deadline while the user reads or edits
    except asyncio.CancelledError:
        await _end_program(process)
        raise


async def _end_program(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_GRACE_S):
            await process.wait()
    except TimeoutError:
        process.kill()


@contextmanager
def _suspend_app(app: App[Any]) -> Iterator[None]:
    """Suspends the app in the block, so that the driver drops its output.

    SIGINT and SIGQUIT go to the program. The app handles and doesn't ignore them, because ignoring would be inherited.
    """
    before = {number: signal.signal(number, lambda *_: None) for number in _PROGRAM_SIGNALS}
    try:
        with app.suspend():
            yield
    except SuspendNotSupported as error:
        raise FlowError(_NO_TERMINAL) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
