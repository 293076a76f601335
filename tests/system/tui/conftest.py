"""A real shell on a real terminal of this machine, and a bare app that asks one question."""

from __future__ import annotations

from testbed.tui.pty_shell import open_pty as open_pty
from testbed.tui.question import ask as ask
