"""A recording on a disk that is full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from testbed.places import ROOT
from testbed.waiting import DEADLINE_S


def test_a_full_disk_is_an_error_in_one_sentence(tmp_path: Path) -> None:
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
    script = f"""{limit}
from pathlib import Path
from flow_core import FlowError
import flow_core
from flow_core.client.asciicast_writer import AsciicastWriter
try:
    with AsciicastWriter(Path(sys.argv[1]), 80, 24, "title") as recording:
        recording.write_output(b"x" * 10_000)
except FlowError as error:
    print(error)
"""
    path = tmp_path / "full.cast"
    argv = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, done.stdout) == (0, f"the shell can't be recorded in {path}: File too large\n"), (
        done.stderr
    )
