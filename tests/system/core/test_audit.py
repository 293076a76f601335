"""The audit log of several programs at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from testbed.places import ROOT

from flow_core.audit import AuditLog


def test_lines_of_several_programs_never_mix(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from flow_core.audit import AuditEntry, AuditLog\n"
        "log = AuditLog(Path(sys.argv[1]))\n"
        "for n in range(50): log.append(AuditEntry('now', 'me', 'lab', 'x', f'{sys.argv[2]}-{n}', 'y' * 500, 'ok'))"
    )
    path = tmp_path / "state" / "actions.jsonl"
    programs = [subprocess.Popen([sys.executable, "-c", script, str(path), str(n)], cwd=ROOT) for n in range(3)]
    assert [program.wait(20) for program in programs] == [0, 0, 0]
    assert len({one.target for one in AuditLog(path).read_recent(1000)}) == 150
