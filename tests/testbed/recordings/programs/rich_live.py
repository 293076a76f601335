"""A table that grows while it is shown, a display that is removed, and a spinner with messages."""

import time

from rich.console import Console
from rich.live import Live
from rich.progress import track
from rich.table import Table

console = Console(log_path=False)


def table(count: int) -> Table:
    shown = Table(title="eval", expand=False)
    shown.add_column("step")
    shown.add_column("損失", justify="right")
    for step in range(count):
        shown.add_row(str(step), f"[magenta]{1 / (1 + step):.4f}")
    return shown


with Live(table(0), console=console, refresh_per_second=60) as live:
    for count in range(6):
        live.update(table(count))
        time.sleep(0.03)
        if count == 3:
            console.print("checkpoint written")
with Live(table(2), console=console, refresh_per_second=60, transient=True):
    time.sleep(0.05)
with console.status("[bold]connecting", refresh_per_second=60):
    for attempt in range(3):
        time.sleep(0.05)
        console.log("attempt", attempt)
for _ in track(range(12), description="tokens", console=console, refresh_per_second=60):
    time.sleep(0.01)
print("end")
