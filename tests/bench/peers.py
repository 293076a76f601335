"""Published programs that ours is measured against, each in an environment of its own, made once."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

_HOME = Path(sys.prefix) / "peers"


def python_of(requirement: str) -> str:
    """A Python that has just this package, such as "flow-compute==3.28.2", and what it needs."""
    home = _HOME / requirement.replace("==", "-")
    python, done = home / "bin" / "python", home / "done"
    if not done.exists():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement], check=True
        )
        done.touch()
    return str(python)
