"""A day at the dashboard in 20 minutes: `run.py [MINUTES]`. Fails if memory, descriptors, threads or timers grow.

See docs/performance.md. `--keep FILE` keeps the samples, one line of JSON each.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from soak.user import SoakUser  # noqa: E402
from soak.verdict import Sample, find_growth  # noqa: E402
from soak.world import SoakWorld, open_world  # noqa: E402
from testbed.pty_screen import Screen  # noqa: E402

MINUTES = 20.0
SAMPLE_S = 10.0


def main(minutes: float, keep: Path | None) -> int:
    tmpfs = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="flow-soak-", dir=tmpfs) as folder, open_world(Path(folder)) as world:
        samples = soak(world, Path(folder) / "samples", minutes)
    if keep is not None:
        keep.write_text("".join(json.dumps(sample) + "\n" for sample in samples), encoding="utf-8")
    problems = list(find_growth(samples))
    print("\n".join(problems) or f"nothing grew in {len(samples)} rounds")
    return 1 if problems else 0


def soak(world: SoakWorld, file: Path, minutes: float) -> list[Sample]:
    argv = [sys.executable, str(HERE / "dashboard_program.py"), str(file)]
    samples: list[Sample] = []
    with Screen(argv, world.environment, columns=120, rows=36) as screen:
        user = SoakUser(screen)
        user.read(5.0)
        began = time.monotonic()
        while time.monotonic() < began + minutes * 60:
            world.change_tasks()
            user.act()
            world.cause_fault(len(samples))
            user.read(1.0)
            user.look("┏━ Tasks")
            samples.append(_take_sample(screen, user, file))
            _show(samples[-1], time.monotonic() - began)
        screen.send("q")
        assert screen.wait_exit(30) == 0
    return samples


def _take_sample(screen: Screen, user: SoakUser, file: Path) -> Sample:
    before = len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0
    screen.signal(signal.SIGUSR2)
    deadline = time.monotonic() + SAMPLE_S
    while time.monotonic() < deadline:
        user.read(0.1)
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        if len(lines) > before:
            sample: Sample = json.loads(lines[-1])
            return sample
    raise AssertionError("the dashboard doesn't respond")


def _show(sample: Sample, seconds: float) -> None:
    rest = "  ".join(f"{name} {value:.0f}" for name, value in sample.items() if name not in ("time", "rss_mb"))
    print(f"{seconds:6.0f} s  {sample['rss_mb']:6.1f} MB  {rest}", flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # tasks are ended then, too
    keep = Path(sys.argv.pop(sys.argv.index("--keep") + 1)) if "--keep" in sys.argv else None
    numbers = [float(argument) for argument in sys.argv[1:] if argument != "--keep"]
    sys.exit(main(numbers[0] if numbers else MINUTES, keep))
