"""Programs that draw a screen, and programs that redraw rows with cursor moves."""

from __future__ import annotations

from testbed.recordings.scenario import Scenario

SCENARIOS = (
    Scenario("line-reporter", "node", "node --version", "node {programs}/line_reporter.js"),
    Scenario("gpu-table-loop", "clear", "clear -V", "sh {programs}/gpu_table_loop.sh"),
    # In a namespace, where no other processes are to be seen.
    Scenario("top", "top", "top -V", "unshare --pid --fork --mount-proc top -b -n 2 -d 0.2"),
    Scenario(
        "watch", "watch", "watch --version", "timeout --foreground 1.5 watch -t -n 0.3 date +%s.%N", exit_codes=(124,)
    ),
)
