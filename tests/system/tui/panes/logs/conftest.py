"""A log that the test writes, and the check that every reader of a log is closed."""

from __future__ import annotations

from testbed.open_files import no_open_files as no_open_files
from testbed.tui.log_reader import source as source
