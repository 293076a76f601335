"""Several tasks in one display, messages above it, a task that appears late and one that is hidden."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

columns = SpinnerColumn(), TextColumn("[progress.description]{task.description}"), BarColumn(), TimeElapsedColumn()
console = Console(log_path=False)
with Progress(*columns, console=console, refresh_per_second=60) as progress:
    download = progress.add_task("[red]Downloading", total=20)
    process = progress.add_task("[green]Processing", total=20)
    for step in range(20):
        progress.update(download, advance=1)
        progress.update(process, advance=0.7)
        if step % 6 == 5:
            progress.console.log(f"shard {step} [bold]ok[/bold]")
        if step == 10:
            late = progress.add_task("[cyan]Checking", total=None)
        if step == 16:
            progress.update(late, visible=False)
        time.sleep(0.02)
console.print("[bold green]all shards[/] are there")
