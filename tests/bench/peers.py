"""Published programs that ours is measured against, each in an environment of its own, made once."""

from __future__ import annotations

import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

TEXTUAL = f"textual=={version('textual')}"
"""What ours is built on: an empty app and DataTable."""
SDK = "flow-compute==3.28.2"
TOOLONG = "toolong==1.5.0"
POSTING = "posting==2.11.1"
HARLEQUIN = "harlequin==2.17.0"
PEERS = (TEXTUAL, SDK, TOOLONG, POSTING, HARLEQUIN)
_WITH = {POSTING: ("tree-sitter==0.25.2",)}
"""With the version that pip chooses by itself posting ends with a segmentation fault."""
_HOME = Path(sys.prefix) / "peers"
ALONE = {"PYTHONPATH": ""}
"""Part of the environment of a peer: nothing of ours is found there."""


def python_of(peer: str) -> str:
    """A Python that has just this package, such as "flow-compute==3.28.2", and what it needs."""
    home = _HOME / peer.replace("==", "-")
    python, done = home / "bin" / "python", home / "done"
    if not done.exists():
        print(f"installing {peer}", file=sys.stderr, flush=True)
        venv.create(home, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, peer, *_WITH.get(peer, ())], check=True)
        done.touch()
    return str(python)


def program_of(peer: str, name: str) -> str:
    """The path of a program that comes with the package."""
    return str(Path(python_of(peer)).with_name(name))


def versions() -> dict[str, str]:
    return dict(peer.split("==", 1) for peer in PEERS if peer != TEXTUAL)
