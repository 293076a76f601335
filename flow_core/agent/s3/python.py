"""Which Python fetches data from S3: one that has boto3, which the agent itself does without. Standard library only."""

from __future__ import annotations

import os
import sys

_ASK_S = 20.0


def fetching_python(named: str | None) -> str:
    """The one that the task names, else the one that runs this."""
    return os.path.expanduser(named or sys.executable)


def has_boto3(python: str | None) -> bool:
    """Asks that Python, or without one the one that runs this; may take seconds."""
    import subprocess  # deferred: few tasks have data from S3

    command = [fetching_python(python), "-c", "import boto3"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_ASK_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
