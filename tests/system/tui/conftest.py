"""A real shell on a real terminal of this machine, for the tests of the shell pane."""

from __future__ import annotations

from testbed.tui.pty_shell import open_pty as open_pty
