"""`python -m flow_core.emulator`: prints one line of JSON, then serves the API until a signal."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

try:
    from flow_core.emulator.emulator import Emulator
    from flow_core.emulator.nodes.machines import Machines
    from flow_core.emulator.sample.project import Sample
    from flow_core.emulator.settings import Settings
    from flow_core.emulator.state_folder import EmulatorFolder, FolderRefused
except ModuleNotFoundError as error:
    if error.name not in ("starlette", "uvicorn"):
        raise
    sys.exit(
        "the emulator can't start: starlette and uvicorn are not installed; install flow-tui with its extra "
        "'emulator', for example with: uv tool install '.[fast,emulator]'"
    )

_READ_SIZE = 1 << 16


def main() -> int:
    """Runs the emulator. Returns the exit status: 0 after a signal, 1 if it can't start."""
    arguments = _arguments()
    folder = None if arguments.folder is None else EmulatorFolder(arguments.folder, delete_all=arguments.delete_all)
    try:
        if folder is not None:
            folder.claim()
        asyncio.run(_serve(arguments, folder))
    except FolderRefused as error:
        print(f"the emulator can't start: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"the emulator can't start at port {arguments.port}: {error.strerror}", file=sys.stderr)
        return 1
    finally:
        if folder is not None:
            folder.release()
    return 0


async def _serve(arguments: argparse.Namespace, folder: EmulatorFolder | None) -> None:
    stop = _stop_event(arguments.ends_with_stdin)
    sample = Sample() if arguments.sample else None
    settings = Settings(
        seconds_to_allocate=arguments.seconds_to_allocate, price_move_s=arguments.seconds_between_prices
    )
    emulator = Emulator(
        settings,
        port=arguments.port,
        age_s=sample.age_s if sample else 0.0,
        nodes=Machines,
        folder=None if folder is None else folder.files,
    )
    async with emulator:
        details = emulator.as_json()
        if sample is not None:
            details |= await sample.fill(emulator)  # first, since `limitations` boots a machine if none has booted
        if limitations := await emulator.limitations():
            print(f"emulator: {limitations}", file=sys.stderr)
        print(json.dumps(details), flush=True)
        await stop.wait()


def _stop_event(ends_with_stdin: bool) -> asyncio.Event:
    """Returns an event that a signal sets; with `ends_with_stdin` also the end of standard input."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    if ends_with_stdin:
        loop.add_reader(sys.stdin.fileno(), partial(_read_stdin, loop, stop))
    return stop


def _read_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), _READ_SIZE):
        loop.remove_reader(sys.stdin.fileno())
        stop.set()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m flow_core.emulator", description="The published Mithril API with state, on loopback."
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="the port of its HTTP side (any that is free)")
    add("--seconds-to-allocate", type=float, default=1.0, metavar="S", help="how long a bid stays open (1)")
    add("--seconds-between-prices", type=float, default=30.0, metavar="S", help="how often prices move; 0: never (30)")
    add("--sample", action="store_true", help="with a project in which something is going on")
    add("--folder", type=Path, metavar="DIR", help="put all files there; DIR must be empty, or not exist yet")
    add("--delete-all", action="store_true", help="at the end, delete DIR with everything that others put there")
    add("--ends-with-stdin", action="store_true", help="also end when standard input, a pipe, is closed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
