"""Whatever is killed, and in whatever order: no task is lost, no GPU is used twice, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from testbed.kill_rounds import Place, kill_in_rounds

from flow_core.agent.layout import Layout
from flow_core.config import Context


@pytest.mark.needs("linux", "bash")
async def test_no_kill_loses_a_task_a_gpu_or_a_line(machine: Any, tmp_path: Path) -> None:
    def layout() -> Layout:
        (root,) = (tmp_path / "state" / "local").iterdir()
        return Layout(root, "local")

    await kill_in_rounds(Place(Context("local", "local", {}), machine.provider, layout, tmp_path, {}))
