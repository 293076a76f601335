"""A bare app that asks one question and keeps the answer."""

from __future__ import annotations

from testbed.tui.question import ask as ask
