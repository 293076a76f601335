"""What it costs to find out that nothing of 5,000 files has to be sent, against only walking over them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path

from bench.table import Row, median

from flow_core.upload.folder_upload import upload
from flow_core.upload.local_folder import LocalFolder

FILES = 5000
ROUNDS = 15
IGNORED = "*.pyc\n*.log\n*.pt\n*.safetensors\n/data/\n/wandb/\nbuild/\ndist/\n.env\n!keep.log\n"


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="flow-bench-") as folder:
        source, there = Path(folder, "source"), Path(folder, "there")
        _fill(source)
        return asyncio.run(_rows(source, there))


def _fill(source: Path) -> None:
    for number in range(FILES):
        file = source / f"package_{number % 10}" / f"part_{number % 100}" / f"module_{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"value = {number}\n" * 20)
    (source / ".gitignore").write_text(IGNORED)
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "bench"]):
        author = ["-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *author, *arguments], cwd=source, check=True)


async def _rows(source: Path, there: Path) -> list[Row]:
    """Interleaved; the first uploads send everything and compare what was too fresh to trust."""
    started = time.perf_counter()
    await upload(source, LocalFolder(there))
    first_ms = (time.perf_counter() - started) * 1000
    await asyncio.sleep(0.1)
    await upload(source, LocalFolder(there), git_incremental=False)
    walked, compared, asked = [], [], []
    for _ in range(ROUNDS):
        walked.append(_walk_ms(source))
        compared.append(await _upload_ms(source, there, False))
        asked.append(await _upload_ms(source, there, True))
    base = median(walked)
    note = f"os.walk and stat take {base:.0f} ms; the first upload took {first_ms:.0f} ms"
    return [
        Row("upload, all compared", median(compared) / base, 5, "x", f"{median(compared):.0f} ms, 5,000 files; {note}"),
        Row("upload, git asked", median(asked) / base, 4, "x", f"{median(asked):.0f} ms, nothing changed"),
    ]


def _walk_ms(source: Path) -> float:
    started = time.perf_counter()
    for folder, _, names in os.walk(source):
        for name in names:
            os.stat(os.path.join(folder, name))
    return (time.perf_counter() - started) * 1000


async def _upload_ms(source: Path, there: Path, git_incremental: bool) -> float:
    started = time.perf_counter()
    result = await upload(source, LocalFolder(there), git_incremental=git_incremental)
    took_ms = (time.perf_counter() - started) * 1000
    assert (result.files_sent, result.files_unchanged) == (0, FILES + 1), result
    return took_ms
