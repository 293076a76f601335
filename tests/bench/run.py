"""Every benchmark, one line a number; exit code 1 when a goal is missed. Arguments pick some: `start idle`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]


def main(names: list[str]) -> int:
    from table import show  # found once the path is set

    found = sorted(file.stem.removeprefix("bench_") for file in HERE.glob("bench_*.py"))
    missed = 0
    for name in names or found:
        rows = import_module(f"bench_{name}").measure()
        show(rows)
        missed += sum(not row.is_met for row in rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
