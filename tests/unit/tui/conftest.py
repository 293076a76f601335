"""A bare app that asks one question, both terminal cores, and another time zone."""

from __future__ import annotations

from testbed.tui.each_core import new_core as new_core
from testbed.tui.question import ask as ask
from testbed.tui.time_zone import in_tokyo as in_tokyo
