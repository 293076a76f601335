"""`python -m flow_core.emulator`: one line of JSON, then the API until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys

from flow_core.emulator.emulator import Emulator
from flow_core.emulator.nodes.machines import Machines
from flow_core.emulator.settings import Settings


def main() -> int:
    """The exit status: 0 after a signal, 1 where it can't begin."""
    given = _arguments()
    settings = Settings(seconds_to_allocate=given.seconds_to_allocate, price_move_s=given.seconds_between_prices)
    try:
        asyncio.run(_serve(Emulator(settings, port=given.port, nodes=Machines)))
    except OSError as error:
        print(f"the emulator can't listen at port {given.port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


async def _serve(emulator: Emulator) -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with emulator:
        print(json.dumps(emulator.as_json()), flush=True)
        await told.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m flow_core.emulator", description="The published Mithril API with state, on loopback."
    )
    parser.add_argument("--port", type=int, default=0, help="the port of its HTTP side (any that is free)")
    parser.add_argument(
        "--seconds-to-allocate", type=float, default=1.0, metavar="S", help="how long a bid stays open (1)"
    )
    parser.add_argument(
        "--seconds-between-prices", type=float, default=30.0, metavar="S", help="how often prices move; 0: never (30)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
