"""Every reader of a log is closed by its owner."""

from __future__ import annotations

from testbed.open_files import no_open_files as no_open_files
