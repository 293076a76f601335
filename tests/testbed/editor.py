"""An editor that does to every file what it was told, and notes what it was given."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

_HEAD = """#!{python}
import json, os, pathlib, signal, sys, time
file = pathlib.Path(sys.argv[-1])
text = file.read_text(encoding="utf-8", errors="surrogateescape")
modes = [os.stat(path).st_mode & 0o777 for path in (file, file.parent)]
note = {{"arguments": sys.argv[1:-1], "text": text, "modes": modes, "path": str(file), "pid": os.getpid()}}
with open({notes!r}, "a", encoding="utf-8") as notes:
    print(json.dumps(note), file=notes, flush=True)
def write(new):
    file.write_text(new, encoding="utf-8", errors="surrogateescape")
"""


class FakeEditor:
    """`does` replaces what it does next: Python that may use `text`, `file` and `write(new text)`."""

    def __init__(self, folder: Path) -> None:
        self._notes = folder / "notes.jsonl"
        self.path = folder / "my editor"
        self.does("")

    def does(self, body: str) -> None:
        self.path.write_text(
            _HEAD.format(python=sys.executable, notes=str(self._notes)) + body + "\n", encoding="utf-8"
        )
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)

    @property
    def seen(self) -> list[dict[str, Any]]:
        """What it was given each time: arguments, text, modes of the file and its folder, path, its own pid."""
        if not self._notes.exists():
            return []
        return [json.loads(line) for line in self._notes.read_text(encoding="utf-8").splitlines()]
