"""A bare app that asks one question, and both terminal cores."""

from __future__ import annotations

from testbed.tui.each_core import new_core as new_core
from testbed.tui.question import ask as ask
