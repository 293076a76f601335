"""A log that the test writes."""

from __future__ import annotations

from testbed.tui.log_reader import source as source
