"""Both terminal cores, for tests that hold them to the same behaviour."""

from __future__ import annotations

from testbed.tui.each_core import new_core as new_core
