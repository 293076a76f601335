"""Whether the files of a log can be read at all."""

from __future__ import annotations

import os

from flow_core.agent.regular_files import open_regular_file
from flow_core.agent.spool import SpoolFiles
from flow_core.errors import ProviderError, printable


def check_readable(files: SpoolFiles) -> None:
    """Raises ProviderError where a folder or a pipe is in the place of a log, or the file is closed to this user.

    A log that does not exist yet is fine.
    """
    for path in files:
        try:
            os.close(open_regular_file(path))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ProviderError(
                f"the log {printable(path.name)} can't be read: {error.strerror} ({printable(str(path.parent))})"
            ) from error
