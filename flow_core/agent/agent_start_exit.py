"""The exit of an agent that can't start: its exit codes, and one line on standard error."""

from __future__ import annotations

import os
from typing import NoReturn

from flow_core.agent.folder_ownership import UnsafeFolder

OLD_PYTHON, UNSAFE, SYSTEM_ERROR = 43, 44, 45
"""Exit codes: the Python is too old, a folder is unsafe, the system reports an error."""


def exit_with_message(error: OSError) -> NoReturn:
    """Exits immediately, whatever other threads do."""
    file_name = f" ({error.filename})" if error.filename else ""
    why = f"{error.strerror or type(error).__name__}{file_name}\n"
    os.write(2, why.encode("utf-8", "backslashreplace"))
    os._exit(UNSAFE if isinstance(error, UnsafeFolder) else SYSTEM_ERROR)
