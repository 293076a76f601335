"""The dashboard in a hurry: `dashboard_program.py SAMPLES`. It polls this machine and ticks 72 times a second.

So 20 minutes have as many of them as a day.

SIGUSR2 appends one line of JSON to the file SAMPLES: what the process holds at that moment.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from flow_core.providers.contract.provider import PollIntervals
from flow_core.providers.local.provider import LocalProvider
from flow_tui.__main__ import run
from flow_tui.screens import dashboard

_PERIOD_S = 1 / 72


def main(samples: Path) -> int:
    LocalProvider.poll = PollIntervals(busy_s=_PERIOD_S, idle_s=_PERIOD_S)
    dashboard._TICK_S = _PERIOD_S
    signal.signal(signal.SIGUSR2, lambda *_: _append(samples))
    return run([])


def _append(samples: Path) -> None:
    with samples.open("a", encoding="utf-8") as file:
        file.write(json.dumps(_sample()) + "\n")


def _sample() -> dict[str, float]:
    """`blocks` are the objects that live, without the garbage that no collection has found yet.

    Timers are the callbacks that the event loop has scheduled for later.
    """
    rss_mb = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    gc.collect()
    loop = asyncio.get_running_loop()
    return {
        "time": time.monotonic(),
        "rss_mb": rss_mb,
        "blocks": sys.getallocatedblocks(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "timers": sum(not handle.cancelled() for handle in loop._scheduled),  # type: ignore[attr-defined]
        "tasks": len(asyncio.all_tasks(loop)),
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
