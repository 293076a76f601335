"""An `nvidia-smi` whose output a test sets, for the discovery of GPUs on a machine without any."""

from __future__ import annotations

import os
from pathlib import Path

GPUS = """\
GPU-11111111-2222-3333-4444-555555555555, 81920, 3, 0, NVIDIA A100-SXM4-80GB
GPU-66666666-7777-8888-9999-000000000000, 81920, 70001, 97, NVIDIA A100-SXM4-80GB
"""
FIRST, SECOND = (line.partition(",")[0] for line in GPUS.splitlines())
_PROGRAM = """\
#!/bin/sh
case "$*" in
  *--query-gpu=uuid,memory.total,name*) cut -d, -f1,2,5- '{folder}/gpus' ;;
  *--query-gpu=*) cat '{folder}/gpus' ;;
  *--query-compute-apps=gpu_uuid,pid,process_name*) cut -d, -f1,2,4- '{folder}/apps' ;;
  *--query-compute-apps=gpu_uuid,*) cat '{folder}/apps' ;;
  *--query-compute-apps=*) sed 's/,.*//' '{folder}/apps' ;;
esac
"""


class NvidiaSmi:
    """Put `folder` before everything else in a PATH."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        program = folder / "nvidia-smi"
        program.write_text(_PROGRAM.format(folder=folder))
        program.chmod(0o755)
        (folder / "gpus").write_text(GPUS)
        self.works_on()

    @property
    def path(self) -> str:
        return f"{self.folder}:{os.environ['PATH']}"

    def works_on(self, *apps: tuple[str, int, str]) -> None:
        """Which processes work on which GPU, by UUID, number and program."""
        text = "".join(f"{gpu}, {pid}, 70000, {program}\n" for gpu, pid, program in apps)
        (self.folder / "apps").write_text(text)
