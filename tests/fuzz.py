"""Runs the property tests again and again with new seeds, for as long as the first argument says (seconds, 600).

Prints each failing example with the seed of its round, and stores it where `make test` replays it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from testbed.places import ROOT
from testbed.properties import EXPLORE, STORED


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    end, rounds, failed = time.monotonic() + seconds, 0, 0
    while rounds == 0 or time.monotonic() < end:
        seed = time.time_ns() % 2**32
        rounds += 1
        print(f"round {rounds}, seed {seed}", flush=True)
        failed += run_round(seed, sys.argv[2:]) != 0
    print(f"{failed} of {rounds} rounds found a failing example; they are stored in {STORED.relative_to(ROOT)}")
    return 1 if failed else 0


def run_round(seed: int, arguments: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", "-m", "hypothesis", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {EXPLORE: str(seed)}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
