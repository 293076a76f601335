"""The dashboard with a watch on its event loop; writes the lags in ms to the file that is named first."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import flow_tui.app
from flow_core.config_file import load_config
from flow_tui.app import FlowApp

_STEP_S = 0.005


class WatchedApp(FlowApp):
    """Measures from its first frame until it is left."""

    CSS_PATH = Path(flow_tui.app.__file__).parent / "flow.tcss"
    lags: list[float]

    async def on_mount(self) -> None:  # beside that of FlowApp: every class's own is called
        self.lags = []
        self.run_worker(self._watch())

    async def _watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_STEP_S)
            self.lags.append((time.perf_counter() - before - _STEP_S) * 1000)
            if len(self.lags) % 100 == 0:
                Path(sys.argv[1]).write_text("\n".join(map(str, self.lags)), encoding="utf-8")


if __name__ == "__main__":
    WatchedApp(load_config(None)).run()
